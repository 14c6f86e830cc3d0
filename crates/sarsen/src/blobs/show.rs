//! How a blob is shown: saved as a file, unless it is of a kind that does nothing when it is looked at.

use super::Show;
use std::fmt::Write;

/// What a browser may show in its place: it runs no script, and loads nothing else.
const HARMLESS: [&str; 16] = [
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/ogg",
    "video/webm",
];

/// Whether something of this type may be shown in its place. An SVG may not: it can hold a script; nor may HTML or PDF.
pub fn may_show(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    HARMLESS.iter().any(|harmless| essence.eq_ignore_ascii_case(harmless))
}

/// How a browser is to treat a blob, with the name of the file (RFC 6266), in ASCII and, where that is not enough, as it is
/// (RFC 8187).
pub(crate) fn disposition(content_type: &str, name: &str, show: Show) -> String {
    let inline = show == Show::Inline && may_show(content_type);
    let mut text = if inline { "inline".to_owned() } else { "attachment".to_owned() };
    if name.is_empty() {
        return text;
    }
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let _ = write!(text, "; filename=\"{ascii}\"");
    if ascii != name {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            let _ = match byte {
                byte if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) => {
                    write!(text, "{}", char::from(byte))
                }
                byte => write!(text, "%{byte:02X}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_is_shown() {
        for (content_type, shown) in [
            ("image/png", true),
            ("IMAGE/PNG; q=1", true),
            ("video/mp4", true),
            ("image/svg+xml", false),
            ("text/html", false),
            ("application/pdf", false),
            ("application/octet-stream", false),
            ("", false),
        ] {
            assert_eq!(may_show(content_type), shown, "{content_type}");
            let begins = if shown { "inline" } else { "attachment" };
            assert_eq!(disposition(content_type, "", Show::Inline), begins);
            assert_eq!(disposition(content_type, "", Show::Attachment), "attachment");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let of = |name| disposition("text/plain", name, Show::Attachment);
        assert_eq!(of("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            of("a\"; filename=\"b.exe"),
            "attachment; filename=\"a_; filename=_b.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe"
        );
        assert_eq!(of("a\r\nx: y"), "attachment; filename=\"a__x: y\"; filename*=UTF-8''a%0D%0Ax%3A%20y");
        assert_eq!(of("Übung.pdf"), "attachment; filename=\"_bung.pdf\"; filename*=UTF-8''%C3%9Cbung.pdf");
    }
}
