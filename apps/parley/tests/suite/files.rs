//! Files: uploaded, posted, read by those who may, and gone with their message.

use crate::world::{Answer, Person, World};
use axum::body::{Body, Bytes};
use axum::http::Request;
use sarsen::testing::Response;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// Posts these files with a text.
pub(crate) async fn post(person: &Person, channel: &str, text: &str, files: &[String]) -> Answer {
    person.post(&format!("/v1/channels/{channel}/messages"), json!({"text": text, "files": files})).await
}

/// A file that was uploaded and posted: its id and that of its message.
async fn posted(person: &Person, channel: &str, name: &str, bytes: &[u8]) -> (String, String) {
    let file = id(&person.upload(channel, name, bytes.to_vec()).await.expect(201));
    let message = id(&post(person, channel, "", std::slice::from_ref(&file)).await.expect(201));
    (file, message)
}

/// Ada, her public and her private channel, and Bob, who is a member of the first.
struct Place {
    ada: Person,
    bob: Person,
    open: String,
    closed: String,
}

async fn place(world: &World) -> Place {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("plans", "private").await);
    bob.post(&format!("/v1/channels/{open}/join"), json!({})).await.expect(200);
    Place { ada, bob, open, closed }
}

pub(crate) async fn a_file_is_uploaded_posted_and_read(world: World) {
    let Place { ada, bob, open, .. } = place(&world).await;
    let file = ada.upload(&open, "notes.txt", "hello there").await.expect(201);
    let path = format!("/v1/files/{}", id(&file));
    let expected = json!({
        "id": file["id"], "name": "notes.txt", "content_type": "application/octet-stream", "size": 11, "width": null,
        "height": null, "thumbnail": "none", "note": null, "uploaded_at": file["uploaded_at"],
    });
    assert_eq!(file, expected);
    // Until it is posted, it is its uploader's alone.
    ada.load(&path, &[]).await.expect_status(200);
    bob.load(&path, &[]).await.expect_status(404);
    let message = post(&ada, &open, "", &[id(&file)]).await.expect(201);
    assert_eq!((&message["text"], &message["files"]), (&json!(""), &json!([expected])));
    let loaded = bob.load(&path, &[]).await.expect_status(200);
    assert_eq!(loaded.text(), "hello there");
    for list in ["messages", "changes"] {
        let items = bob.items(&format!("/v1/channels/{open}/{list}")).await;
        assert_eq!(items[0]["files"], json!([expected]), "{list}");
    }
    world.anonymous().load(&path, &[]).await.expect_status(401);
    ada.load("/v1/files/01900000-0000-7000-8000-000000000000", &[]).await.expect_status(404);
}

pub(crate) async fn only_those_who_may_read_the_channel_have_its_files(world: World) {
    let Place { ada, bob, open, closed } = place(&world).await;
    let (file, _) = posted(&ada, &closed, "plan.txt", b"secret").await;
    let missing = bob.load(&format!("/v1/files/{file}"), &[]).await.expect_status(404);
    let nothing = bob.load("/v1/files/01900000-0000-7000-8000-000000000000", &[]).await.expect_status(404);
    let title = |answer: &Response| answer.json::<Value>()["title"].clone();
    assert_eq!(title(&missing), title(&nothing), "it does not tell that there is one");
    bob.load(&format!("/v1/files/{file}/thumbnail"), &[]).await.expect_status(404);
    bob.delete(&format!("/v1/files/{file}")).await.expect(404);
    // Nobody uploads where they may not post, and what is answered is what the channel answers.
    bob.upload(&closed, "a.txt", "x").await.expect(404);
    let stranger = world.sign_up("stranger").await;
    stranger.upload(&open, "a.txt", "x").await.expect(403);
    let (file, _) = posted(&ada, &open, "a.txt", b"x").await;
    stranger.load(&format!("/v1/files/{file}"), &[]).await.expect_status(200);
    world.anonymous().upload(&open, "a.txt", "x").await.expect(401);
    ada.post(&format!("/v1/channels/{closed}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
    let (file, _) = posted(&bob, &closed, "a.txt", b"x").await;
    bob.post(&format!("/v1/channels/{closed}/leave"), json!({})).await.expect(204);
    bob.load(&format!("/v1/files/{file}"), &[]).await.expect_status(404);
    ada.load(&format!("/v1/files/{file}"), &[]).await.expect_status(200);
}

pub(crate) async fn a_file_is_posted_once_where_it_was_uploaded_by_who_did(world: World) {
    let Place { ada, bob, open, closed } = place(&world).await;
    let file = id(&ada.upload(&open, "a.txt", "x").await.expect(201));
    let files = std::slice::from_ref(&file);
    post(&bob, &open, "mine now", files).await.expect_field(422, "files");
    post(&ada, &closed, "elsewhere", files).await.expect_field(422, "files");
    post(&ada, &open, "twice in one", &[file.clone(), file.clone()]).await.expect(201);
    post(&ada, &open, "again", files).await.expect_field(422, "files");
    assert_eq!(ada.items(&format!("/v1/channels/{open}/messages")).await.len(), 1, "a refused post leaves nothing");
    post(&ada, &open, "", &[]).await.expect_field(422, "text");
    let mut many = Vec::new();
    for number in 0..11 {
        many.push(id(&ada.upload(&open, &format!("{number}.txt"), "x").await.expect(201)));
    }
    post(&ada, &open, "", &many).await.expect_field(422, "files");
    let posted = post(&ada, &open, "", &many[..10]).await.expect(201);
    let names: Vec<Value> = posted["files"].as_array().expect("files").iter().map(|it| it["name"].clone()).collect();
    assert_eq!((names.len(), &names[0], &names[9]), (10, &json!("0.txt"), &json!("9.txt")), "in their order");
    // A lost answer is safe to ask for again, with files too.
    let again = json!({"text": "once", "files": [many[10]], "nonce": "n"});
    let path = format!("/v1/channels/{open}/messages");
    let first = ada.post(&path, again.clone()).await.expect(201);
    assert_eq!(ada.post(&path, again).await.expect(201), first);
}

pub(crate) async fn parts_of_a_file_are_given(world: World) {
    let Place { ada, open, .. } = place(&world).await;
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| u8::try_from(number % 251).unwrap_or(0)).collect();
    let path = format!("/v1/files/{}", posted(&ada, &open, "data.bin", &bytes).await.0);
    let whole = ada.load(&path, &[]).await.expect_status(200);
    assert_eq!((whole.bytes(), whole.header("accept-ranges")), (&Bytes::from(bytes.clone()), Some("bytes")));
    let tag = whole.header("etag").expect("a tag").to_owned();
    for (range, part) in [("bytes=0-9", 0..10), ("bytes=99990-", 99_990..100_000), ("bytes=-5", 99_995..100_000)] {
        let answer = ada.load(&path, &[("range", range)]).await.expect_status(206);
        assert_eq!(answer.bytes()[..], bytes[part.clone()], "{range}");
        let expected = format!("bytes {}-{}/100000", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), Some(expected.as_str()), "{range}");
    }
    ada.load(&path, &[("range", "bytes=100000-")]).await.expect_status(416);
    ada.load(&path, &[("if-none-match", &tag)]).await.expect_status(304);
    ada.load(&path, &[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await.expect_status(200);
    let cache = whole.header("cache-control").expect("said");
    assert!(cache.contains("private"), "{cache}");
}

pub(crate) async fn a_deleted_message_takes_its_files_along(world: World) {
    let Place { ada, bob, open, .. } = place(&world).await;
    let (file, message) = posted(&ada, &open, "a.png", &picture(900, 600)).await;
    let (other, _) = posted(&ada, &open, "b.txt", b"stays").await;
    world.run_jobs().await;
    assert_eq!(world.blobs().await, (3, 0), "two files and a small picture");
    bob.load(&format!("/v1/files/{file}/thumbnail"), &[]).await.expect_status(200);
    ada.delete(&format!("/v1/files/{file}")).await.expect(409);
    ada.delete(&format!("/v1/messages/{message}")).await.expect(204);
    for path in [format!("/v1/files/{file}"), format!("/v1/files/{file}/thumbnail")] {
        bob.load(&path, &[]).await.expect_status(404);
        ada.load(&path, &[]).await.expect_status(404);
    }
    assert_eq!(world.blobs().await, (1, 0));
    let shown = ada.get(&format!("/v1/messages/{message}")).await.expect(200);
    assert_eq!((&shown["deleted"], &shown["files"]), (&json!(true), &json!([])));
    ada.load(&format!("/v1/files/{other}"), &[]).await.expect_status(200);
}

pub(crate) async fn files_that_nobody_posts_are_forgotten(world: World) {
    let Place { ada, open, .. } = place(&world).await;
    let (stays, _) = posted(&ada, &open, "posted.txt", b"x").await;
    let taken_back = id(&ada.upload(&open, "back.txt", "x").await.expect(201));
    ada.delete(&format!("/v1/files/{taken_back}")).await.expect(204);
    ada.delete(&format!("/v1/files/{taken_back}")).await.expect(404);
    let old = id(&ada.upload(&open, "old.png", picture(900, 600)).await.expect(201));
    world.run_jobs().await;
    world.clock().advance(HOUR * 23);
    world.run_jobs().await;
    ada.sign_in_again().await;
    let young = id(&ada.upload(&open, "young.txt", "x").await.expect(201));
    ada.load(&format!("/v1/files/{old}"), &[]).await.expect_status(200);
    world.clock().advance(HOUR * 3);
    world.run_jobs().await;
    ada.load(&format!("/v1/files/{old}"), &[]).await.expect_status(404);
    for file in [young, stays] {
        ada.load(&format!("/v1/files/{file}"), &[]).await.expect_status(200);
    }
    assert_eq!(world.blobs().await, (2, 0));
}

pub(crate) async fn an_upload_that_breaks_off_leaves_nothing(world: World) {
    let Place { ada, open, .. } = place(&world).await;
    for sent in [0, 10, 3 << 20] {
        let parts: [Result<Vec<u8>, std::io::Error>; 2] =
            [Ok(vec![7; sent]), Err(std::io::Error::other("the client went away"))];
        let body = Body::from_stream(futures_util::stream::iter(parts));
        let request = Request::post(format!("/v1/channels/{open}/files?name=a.bin")).header("host", "localhost");
        let request = request.header("cookie", ada.cookie()).header("content-type", "application/octet-stream");
        let answer = world.stack().call(request.body(body).expect("a request")).await;
        assert_eq!(answer.status(), 400, "after {sent} bytes");
    }
    assert_eq!(world.blobs().await, (0, 0));
    let file = id(&ada.upload(&open, "empty", "").await.expect(201));
    assert_eq!(ada.load(&format!("/v1/files/{file}"), &[]).await.expect_status(200).bytes().len(), 0);
}

pub(crate) async fn files_have_limits(_: World) {
    let config = json!({"messages": {"max_file": "64KB", "max_pending": 3}});
    let world = World::start_in(config).await;
    let Place { ada, open, .. } = place(&world).await;
    ada.upload(&open, "a.bin", vec![0; (64 << 10) + 1]).await.expect(413);
    assert_eq!(world.blobs().await, (0, 0));
    let mut last = String::new();
    for _ in 0..3 {
        last = id(&ada.upload(&open, "a.bin", vec![0; 64 << 10]).await.expect(201));
    }
    ada.upload(&open, "a.bin", "x").await.expect(409);
    post(&ada, &open, "", &[last]).await.expect(201);
    ada.upload(&open, "a.bin", "x").await.expect(201);
}

pub(crate) async fn what_could_run_is_only_saved(world: World) {
    let Place { ada, bob, open, .. } = place(&world).await;
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"><script>alert(1)</script></svg>";
    let html = "<!doctype html><script>alert(document.cookie)</script>";
    for (name, bytes) in [("a.svg", svg), ("a.html", html), ("picture.png", html), ("a.pdf", "%PDF-1.7")] {
        let file = ada.upload_as(&open, name, "image/png", bytes).await.expect(201);
        assert_eq!(file["content_type"], "application/octet-stream", "{name}");
        post(&ada, &open, "", &[id(&file)]).await.expect(201);
        let answer = bob.load(&format!("/v1/files/{}", id(&file)), &[]).await.expect_status(200);
        let header = |header| answer.header(header).unwrap_or_default();
        assert!(header("content-disposition").starts_with("attachment"), "{name}: {}", header("content-disposition"));
        assert_eq!((header("content-type"), header("x-content-type-options")), ("application/octet-stream", "nosniff"));
        assert!(header("content-security-policy").contains("sandbox"), "{name}");
        bob.load(&format!("/v1/files/{}/thumbnail", id(&file)), &[]).await.expect_status(404);
    }
    // A picture is shown, whatever it is called, and saved when that is asked for.
    let file = ada.upload_as(&open, "page.html", "text/html", picture(20, 10)).await.expect(201);
    let path = format!("/v1/files/{}", id(&file));
    let shown = ada.load(&path, &[]).await.expect_status(200);
    assert_eq!(shown.header("content-type"), Some("image/png"));
    assert!(shown.header("content-disposition").is_some_and(|it| it.starts_with("inline")));
    let saved = ada.load(&format!("{path}?disposition=attachment"), &[]).await.expect_status(200);
    assert!(saved.header("content-disposition").is_some_and(|it| it.starts_with("attachment")));
}

pub(crate) async fn names_of_files_are_never_paths(world: World) {
    let Place { ada, open, .. } = place(&world).await;
    for (given, name) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\cmd.exe", "cmd.exe"),
        ("/", "file"),
        ("..", "file"),
        ("invoice\u{202e}gpj.exe", "invoicegpj.exe"),
        ("Übersicht – 2026.pdf", "Übersicht – 2026.pdf"),
    ] {
        let file = ada.upload(&open, given, "x").await.expect(201);
        assert_eq!(file["name"], name, "{given}");
        let answer = ada.load(&format!("/v1/files/{}", id(&file)), &[]).await.expect_status(200);
        let disposition = answer.header("content-disposition").expect("said");
        assert!(!disposition.contains(['/', '\\', '\n']), "{disposition}");
    }
    for wrong in ["", "  ", "a\nb", "a\0b", &"x".repeat(256)] {
        ada.upload(&open, wrong, "x").await.expect_field(422, "name");
    }
}

/// A picture of this size.
pub(crate) fn picture(width: u32, height: u32) -> Vec<u8> {
    let shade = |at: u32| u8::try_from(at % 256).unwrap_or(0);
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([shade(x), shade(y), 128]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}
