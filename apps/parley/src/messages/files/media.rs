//! What a file is, by its first bytes: nothing that a client says about it is believed.

/// What is served of everything that is not known: browsers save it, and do nothing else with it.
pub(super) const UNKNOWN: &str = "application/octet-stream";

/// The pictures that are shown small in a conversation.
const PICTURES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];
/// It is shown as it is, for it may move.
const GIF: &str = "image/gif";

/// Whether small pictures are made of it.
pub(super) fn is_picture(content_type: &str) -> bool {
    PICTURES.contains(&content_type)
}

/// Whether it is shown as a picture, small or as it is.
pub(super) fn is_seen(content_type: &str) -> bool {
    is_picture(content_type) || content_type == GIF
}

/// The type of a file that begins with these bytes. Only types that run nothing when they are looked at are known; an SVG
/// or a page is [`UNKNOWN`], and so is whatever pretends to be something else.
pub(super) fn sniff(head: &[u8]) -> &'static str {
    let plain = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning));
    match plain {
        Some((_, content_type)) => content_type,
        None => container(head).or_else(|| stream(head)).unwrap_or(UNKNOWN),
    }
}

const BEGINNINGS: [(&[u8], &str); 7] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", UNKNOWN),
];

/// Formats that say a little later what they hold.
fn container(head: &[u8]) -> Option<&'static str> {
    let at = |from: usize, length: usize| head.get(from..from + length).unwrap_or_default();
    match (at(0, 4), at(4, 4), at(8, 4)) {
        (b"RIFF", _, b"WEBP") => Some("image/webp"),
        (b"RIFF", _, b"WAVE") => Some("audio/wav"),
        (_, b"ftyp", b"M4A " | b"M4B ") => Some("audio/mp4"),
        (_, b"ftyp", brand) if is_mp4(brand) => Some("video/mp4"),
        (b"\x1a\x45\xdf\xa3", ..) if contains(at(0, head.len().min(64)), b"webm") => Some("video/webm"),
        (b"OggS", ..) if contains(at(28, head.len().saturating_sub(28).min(8)), b"theora") => Some("video/ogg"),
        (b"OggS", ..) => Some("audio/ogg"),
        _ => None,
    }
}

fn is_mp4(brand: &[u8]) -> bool {
    const BRANDS: [&[u8]; 11] =
        [b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V ", b"MSNV"];
    BRANDS.contains(&brand)
}

/// Sound without a container: frames of MPEG audio, each of which begins with eleven bits that are set.
fn stream(head: &[u8]) -> Option<&'static str> {
    match head {
        // The two bits of the layer are zero in AAC only.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some("audio/aac"),
        [0xff, second, third, ..] if second & 0xe6 == 0xe2 && third >> 4 != 0xf => Some("audio/mpeg"),
        _ => None,
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_formats_are_recognised() {
        for (head, content_type) in [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", "video/mp4"),
            (b"\0\0\0\x20ftypM4A \0\0\x02\0", "audio/mp4"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", "video/webm"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1eOpusHead", "audio/ogg"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x2a\x80theora", "video/ogg"),
            (b"ID3\x04\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\xff\xf1\x50\x80", "audio/aac"),
            (b"fLaC\0\0\0\x22", "audio/flac"),
        ] {
            assert_eq!(sniff(head), content_type, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn what_could_run_or_is_not_known_is_only_saved() {
        for head in [
            b"".as_slice(),
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
            b"<?xml version=\"1.0\"?><svg/>",
            b"<!doctype html><script>alert(1)</script>",
            b"%PDF-1.7",
            b"PK\x03\x04",
            b"MZ\x90\0",
            b"\xff",
            b"\xff\xff\xff\xff",
            b"\xff\xfe<\0h\0t\0m\0l\0",
            b"RIFF",
            b"\0\0\0\x20ftypqt  ",
            b"\x1a\x45\xdf\xa3\x93B\x82\x88matroska",
            b"GIF88a<script>",
            b"\x89PNG<script>",
        ] {
            assert_eq!(sniff(head), UNKNOWN, "{}", head.escape_ascii());
        }
    }
}
