//! Files: dropped onto a conversation, sent with their progress, looked at, played and saved.

use crate::driver::Screen;
use crate::page::{ENTER, ESCAPE, Page};
use crate::world::{PASSWORD, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// Twelve seconds of a clock, made by
/// `ffmpeg -f lavfi -i testsrc=size=160x90:rate=5:duration=12 -c:v libvpx -crf 60 -b:v 8k -g 5 clock.webm`.
const VIDEO: &[u8] = include_bytes!("media/clock.webm");

const LEFT: &str = "\u{E012}";
const RIGHT: &str = "\u{E014}";

/// Makes files of what is given: pictures are drawn, everything else comes as base64.
const FILES: &str = "
    const drawn = async ({ name, width, height, hue }) => {
      const canvas = new OffscreenCanvas(width, height);
      const pen = canvas.getContext('2d');
      const sky = pen.createLinearGradient(0, 0, 0, height);
      sky.addColorStop(0, `hsl(${hue} 60% 72%)`);
      sky.addColorStop(1, `hsl(${hue + 40} 70% 88%)`);
      pen.fillStyle = sky;
      pen.fillRect(0, 0, width, height);
      for (let hill = 0; hill < 4; hill += 1) {
        pen.fillStyle = `hsl(${hue + 90} ${28 + hill * 6}% ${58 - hill * 11}%)`;
        pen.beginPath();
        pen.moveTo(0, height);
        for (let x = 0; x <= width; x += 8) pen.lineTo(x, height * (0.55 + hill * 0.11) + Math.sin(x / width * (5 + hill * 2) + hill) * height * 0.06);
        pen.lineTo(width, height);
        pen.fill();
      }
      return new File([await canvas.convertToBlob({ type: 'image/png' })], name, { type: 'image/png' });
    };
    const read = async ({ name, type, base64, zeros }) => new File([zeros ? new Uint8Array(zeros) : Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type });
    const files = await Promise.all(given[1].map((file) => (file.width ? drawn(file) : read(file))));
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    const target = document.querySelector(given[0]);";

fn picture(name: &str, width: u32, height: u32, hue: u32) -> Value {
    json!({"name": name, "width": width, "height": height, "hue": hue})
}

fn file(name: &str, content_type: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "type": content_type, "base64": BASE64.encode(bytes)})
}

/// Drags files over an element, and lets go of them there.
fn drop_on(page: &Page<'_>, selector: &str, files: &[Value]) {
    let act = "
        for (const kind of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));";
    page.run(&format!("{FILES}{act}"), &[json!(selector), json!(files)]);
}

/// Two people in one channel, each with a window.
fn two(world: &World) -> (Page<'_>, Page<'_>) {
    let anna = world.sign_up("anna");
    let channel = anna.channel("garden", "What grows");
    anna.say(&channel, "Did anybody walk past the harbour today?");
    world.sign_up("ben").post(&format!("/v1/channels/{channel}/join"), &json!({}));
    let open = |name: &str| {
        let page = Page::open(world, Screen::Desktop);
        page.sign_in(name, PASSWORD);
        page.click("@channel-item[data-name=garden]");
        page.see("@composer");
        page
    };
    (open("anna"), open("ben"))
}

/// How many pictures are shown, each of them loaded.
fn shown(page: &Page<'_>, count: usize) {
    let check = "const all = [...document.querySelectorAll('[data-test=picture] img')]; return all.length === given[0] && all.every((image) => image.complete && image.naturalWidth > 0)";
    page.until(&format!("{count} pictures"), check, &[json!(count)]);
}

pub(crate) fn pictures_are_dropped_sent_and_looked_at(world: &World) {
    let (anna, ben) = two(world);
    drag(&anna);
    anna.set_upload_speed(400_000);
    let slow = json!({"name": "recording.bin", "type": "", "zeros": 6_000_000});
    drop_on(&anna, ".channel", &[picture("harbour.png", 1600, 1000, 200), slow]);
    anna.see("@upload[data-name=\"harbour.png\"] canvas");
    anna.until(
        "progress",
        "const bar = document.querySelector('[data-name=\"recording.bin\"] progress'); return bar.value > 0 && bar.value < 1",
        &[],
    );
    anna.read("@upload[data-name=\"recording.bin\"] @upload-note", "% of 5.7 MB");
    anna.picture("files-progress");
    anna.click("@upload[data-name=\"recording.bin\"] @upload-remove");
    anna.gone("@upload[data-name=\"recording.bin\"]");
    anna.set_upload_speed(-1);
    anna.see("@upload[data-name=\"harbour.png\"][data-state=done]");
    drop_on(&anna, ".channel", &[picture("hills.png", 900, 1200, 20), picture("small.png", 120, 80, 120)]);
    // Sent before all are there: it waits for them.
    anna.keys("@composer", "From the walk");
    anna.keys("@composer", ENTER);
    let id = anna.message("From the walk");
    anna.gone("@tray");
    shown(&anna, 3);
    shown(&ben, 3);
    rooms_do_not_move(&ben, &id);
    look(&ben, &id);
    offline(&anna);
    too_large(&anna);

    anna.click(&format!("@message[data-id=\"{id}\"] @message-delete"));
    anna.click("@confirm");
    ben.read(&format!("@message[data-id=\"{id}\"]"), "This message was deleted.");
    ben.gone(&format!("@message[data-id=\"{id}\"] @picture"));
    anna.clean(&["/v1/session", "/files", "/changes", "ERR_INTERNET_DISCONNECTED", "WebSocket"]);
    ben.clean(&["/v1/session"]);
}

/// While something is dragged over the conversation, it says what will happen; dragged away, nothing does.
fn drag(page: &Page<'_>) {
    let over = "target.dispatchEvent(new DragEvent('dragenter', { bubbles: true, cancelable: true, dataTransfer: transfer }));";
    let harbour = [picture("harbour.png", 16, 10, 200)];
    page.run(&format!("{FILES}{over}"), &[json!(".channel"), json!(harbour)]);
    page.read("@drop-veil", "Drop files to send them to #garden");
    page.picture("files-drop");
    let away = over.replace("dragenter", "dragleave");
    page.run(&format!("{FILES}{away}"), &[json!(".channel"), json!(harbour)]);
    page.gone("@drop-veil");
    page.gone("@tray");
}

/// A reaction draws the row anew, and its pictures stay as they are, in the room that was kept for them.
fn rooms_do_not_move(page: &Page<'_>, id: &str) {
    let row = format!("@message[data-id=\"{id}\"]");
    let mark = "const [one] = document.querySelectorAll('[data-test=picture]'); one.dataset.mark = 'same'; return [...document.querySelectorAll('[data-test=picture]')].map((node) => [node.offsetWidth, node.offsetHeight])";
    let before = page.run(mark, &[]);
    assert_eq!(before, json!([[220, 138], [124, 165], [120, 80]]), "as large as the pictures are, at most 220 by 165");
    page.click(&format!("{row} @message-react"));
    page.click("@emoji-option[data-emoji=\"🚀\"]");
    page.see(&format!("{row} @reaction[data-emoji=\"🚀\"]"));
    page.see(&format!("{row} @picture[data-mark=same]"));
    page.picture("files-pictures");
}

/// The viewer, by the keyboard.
fn look(page: &Page<'_>, id: &str) {
    let row = format!("@message[data-id=\"{id}\"]");
    page.click(&format!("{row} @picture"));
    page.read("@viewer-name", "harbour.png");
    let loaded = "const image = document.querySelector('[data-test=viewer-image]'); return image.complete && image.naturalWidth === given[0]";
    page.until("the whole picture", loaded, &[json!(1600)]);
    page.picture("files-viewer");
    page.keys("@viewer @close", RIGHT);
    page.read("@viewer-name", "hills.png");
    page.until("the whole picture", loaded, &[json!(900)]);
    page.keys("@viewer @close", LEFT);
    page.keys("@viewer @close", LEFT);
    page.read("@viewer-name", "small.png");
    page.read("@viewer", "3 of 3");
    page.keys("@viewer @close", ESCAPE);
    page.gone("@viewer");
    let focused = page.run("return document.activeElement.dataset.test", &[]);
    assert_eq!(focused, "picture", "the focus returns");
}

/// An upload that fails says so, and succeeds when it is tried again.
fn offline(page: &Page<'_>) {
    page.set_offline(true);
    drop_on(page, ".channel", &[file("notes.txt", "text/plain", b"tomatoes, cucumbers")]);
    page.read("@upload[data-state=failed] @upload-note", "The connection broke");
    page.picture("files-failed");
    page.set_offline(false);
    page.click("@upload-retry");
    page.see("@upload[data-state=done]");
    page.click("@send");
    page.read("@message @file", "notes.txt");
}

/// What is too large is refused with the reason, and cannot be sent.
fn too_large(page: &Page<'_>) {
    let large = json!({"name": "film.bin", "type": "", "zeros": 30_000_000});
    drop_on(page, ".channel", &[large]);
    page.read("@upload[data-state=failed] @upload-note", "larger than 8MB");
    page.gone("@upload-retry");
    assert_eq!(page.run("return document.querySelector('[data-test=send]').disabled", &[]), json!(true));
    page.picture("files-too-large");
    page.click("@upload-remove");
    page.gone("@tray");
}

pub(crate) fn a_video_plays_and_everything_else_is_saved(world: &World) {
    let (anna, ben) = two(world);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='parent.attacked = true'><script>parent.attacked = true</script></svg>";
    let all = [
        file("clock.webm", "video/webm", VIDEO),
        file("beep.wav", "audio/wav", &wav()),
        file("plan.svg", "image/svg+xml", svg),
        file(
            "a name that is far too long to be shown as a whole anywhere, and in particular not on a phone.pdf",
            "application/pdf",
            b"%PDF-1.7",
        ),
    ];
    drop_on(&anna, ".channel", &all);
    anna.until(
        "all are there",
        "return document.querySelectorAll('[data-test=upload][data-state=done]').length === 4",
        &[],
    );
    anna.picture("files-tray");
    anna.click("@send");
    ben.see("@message @video");
    ben.see("@message @audio");
    ben.read("@message @file", "plan.svg");
    plays_and_seeks(&ben, "video");
    plays_and_seeks(&ben, "audio");
    ben.picture("files-others");
    ben.click(".sidebar @theme-toggle");
    ben.picture("files-others-dark");
    assert_eq!(ben.run("return Boolean(window.attacked)", &[]), json!(false));
    // A browser asks for parts, and gets them.
    let part = "const answer = await fetch(document.querySelector('video').src, { headers: { range: 'bytes=100-199' } }); return [answer.status, (await answer.arrayBuffer()).byteLength]";
    assert_eq!(ben.run(part, &[]), json!([206, 100]));
    let saved = "const answer = await fetch([...document.querySelectorAll('[data-test=file]')].find((link) => link.download === 'plan.svg').href); return [answer.headers.get('content-type'), answer.headers.get('content-disposition').split(';')[0]]";
    assert_eq!(ben.run(saved, &[]), json!(["application/octet-stream", "attachment"]));
    anna.clean(&["/v1/session"]);
    ben.clean(&["/v1/session"]);
}

/// Plays it, goes to its ninth second, and plays on from there; a change of the message does not stop it.
fn plays_and_seeks(page: &Page<'_>, kind: &str) {
    let play = "const player = document.querySelector(given[0]); player.muted = true; await player.play(); return true";
    page.run(play, &[json!(kind)]);
    page.until(
        "it plays",
        "const player = document.querySelector(given[0]); return player.currentTime > 0.2",
        &[json!(kind)],
    );
    page.run("document.querySelector(given[0]).currentTime = 9", &[json!(kind)]);
    let there = "const player = document.querySelector(given[0]); return !player.seeking && !player.paused && player.currentTime > 9.1 && player.currentTime < 12";
    page.until("it plays on", there, &[json!(kind)]);
    page.run("document.querySelector(given[0]).pause()", &[json!(kind)]);
}

/// Twelve seconds of a quiet tone.
fn wav() -> Vec<u8> {
    let (rate, seconds) = (8_000_u32, 12);
    let samples: Vec<u8> = (0..rate * seconds).map(|at| if at / 10 % 2 == 0 { 126 } else { 130 }).collect();
    let length = u32::try_from(samples.len()).unwrap();
    let mut bytes = [b"RIFF".as_slice(), &(36 + length).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
    bytes.extend([1_u16, 1].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([rate, rate].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([1_u16, 8].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend([b"data".as_slice(), &length.to_le_bytes(), &samples].concat());
    bytes
}

pub(crate) fn files_fit_a_phone(world: &World) {
    let phone = Page::open(world, Screen::Phone);
    phone.sign_in("mira", parley::seed::PASSWORD);
    phone.see("@composer");
    let all = [
        picture("panorama.png", 3000, 700, 210),
        picture("tower.png", 400, 2400, 30),
        file("clock.webm", "video/webm", VIDEO),
        file(
            "the minutes of the meeting about the minutes of the meetings of last year.pdf",
            "application/pdf",
            b"%PDF",
        ),
    ];
    drop_on(&phone, ".channel", &all);
    phone.until(
        "all are there",
        "return document.querySelectorAll('[data-test=upload][data-state=done]').length === 4",
        &[],
    );
    phone.fits();
    phone.picture("files-phone-tray");
    phone.click("@send");
    phone.gone("@tray");
    phone.see("@message @video");
    phone.until("pictures", "return document.querySelectorAll('[data-test=picture] img').length >= 2", &[]);
    phone.fits();
    phone.picture("files-phone");
    phone.click("@message:last-of-type @picture");
    phone.see("@viewer");
    phone.fits();
    phone.picture("files-phone-viewer");
    phone.click("@viewer @close");
    phone.gone("@viewer");
    phone.clean(&["/v1/session"]);
}
