//! Small pictures: made by a worker, whatever the large ones are.

use crate::files::{id, picture, post};
use crate::world::{Person, World};
use sarsen::jobs::{Filter, State};
use serde_json::{Value, json};

async fn start(world: &World) -> (Person, String) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    (ada, channel)
}

/// The file of a message, as it is now.
async fn file_of(person: &Person, message: &str) -> Value {
    person.get(&format!("/v1/messages/{message}")).await.expect(200)["files"][0].clone()
}

pub(crate) async fn a_picture_becomes_small_after_it_is_posted(world: World) {
    let (ada, channel) = start(&world).await;
    let file = ada.upload(&channel, "walk.png", picture(1600, 1000)).await.expect(201);
    let (width, height, thumbnail) = (&file["width"], &file["height"], &file["thumbnail"]);
    assert_eq!(
        (width, height, thumbnail),
        (&json!(1600), &json!(1000), &json!("waiting")),
        "its room is known at once"
    );
    let message = post(&ada, &channel, "the harbour", &[id(&file)]).await.expect(201);
    let path = format!("/v1/files/{}/thumbnail", id(&file));
    ada.load(&path, &[]).await.expect_status(404);
    world.run_jobs().await;
    let small = ada.load(&path, &[]).await.expect_status(200);
    assert_eq!(small.header("content-type"), Some("image/jpeg"));
    let read = image::load_from_memory(small.bytes()).expect("a picture");
    assert_eq!((read.width(), read.height()), (720, 450));
    // Who follows the changes hears of it: the message has another revision.
    let since = message["revision"].as_i64().expect("a revision");
    let changes = ada.items(&format!("/v1/channels/{channel}/changes?since={since}")).await;
    assert_eq!((changes.len(), &changes[0]["files"][0]["thumbnail"]), (1, &json!("ready")));
    world.run_jobs().await;
    let again = ada.items(&format!("/v1/channels/{channel}/changes?since={}", since + 1)).await;
    assert_eq!(again.len(), 0, "once");
}

pub(crate) async fn a_picture_becomes_small_before_it_is_posted(world: World) {
    let (ada, channel) = start(&world).await;
    let file = id(&ada.upload(&channel, "walk.png", picture(1600, 1000)).await.expect(201));
    world.run_jobs().await;
    let message = post(&ada, &channel, "", &[file]).await.expect(201);
    assert_eq!((&message["files"][0]["thumbnail"], &message["revision"]), (&json!("ready"), &json!(1)));
}

pub(crate) async fn a_picture_that_is_gone_is_not_made_small(world: World) {
    let (ada, channel) = start(&world).await;
    let pending = id(&ada.upload(&channel, "a.png", picture(800, 800)).await.expect(201));
    ada.delete(&format!("/v1/files/{pending}")).await.expect(204);
    let file = id(&ada.upload(&channel, "b.png", picture(800, 800)).await.expect(201));
    let message = id(&post(&ada, &channel, "", &[file]).await.expect(201));
    ada.delete(&format!("/v1/messages/{message}")).await.expect(204);
    world.run_jobs().await;
    assert_eq!(world.blobs().await, (0, 0));
    nothing_failed(&world).await;
}

/// A PNG that says to be of this size, with this as its pixels.
fn claiming(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (name, data) in [(b"IHDR", head.as_slice()), (b"IDAT", pixels), (b"IEND", &[])] {
        let chunk = [name.as_slice(), data].concat();
        png.extend(u32::try_from(data.len()).expect("small").to_be_bytes());
        png.extend(&chunk);
        png.extend(crc32(&chunk).to_be_bytes());
    }
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Deflated zeros, a thousand times as many as it takes to say so.
fn zeros(count: u32) -> Vec<u8> {
    let picture = image::GrayImage::new(count / 4_000, 4_000);
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).expect("a picture");
    let png = png.into_inner();
    let at = png.windows(4).position(|window| window == b"IDAT").expect("pixels");
    let length = u32::from_be_bytes(png[at - 4..at].try_into().expect("four bytes")) as usize;
    png[at + 4..at + 4 + length].to_vec()
}

pub(crate) async fn hostile_pictures_end_with_a_reason_and_stop_no_other(world: World) {
    let (ada, channel) = start(&world).await;
    let good = picture(900, 600);
    let hostile: [(&str, Vec<u8>, &str); 4] = [
        ("header.png", claiming(50_000, 50_000, &zeros(4_000_000)), "it has 2500 million pixels; 25 are read"),
        ("endless.png", claiming(60, 60, &zeros(16_000_000)), ""),
        ("empty.png", claiming(4_000, 4_000, &[]), "it is damaged"),
        ("cut.png", good[..good.len() / 2].to_vec(), "it is damaged"),
    ];
    let mut messages = Vec::new();
    for (name, bytes, reason) in &hostile {
        let file = id(&ada.upload(&channel, name, bytes.clone()).await.expect(201));
        let message = id(&post(&ada, &channel, name, &[file]).await.expect(201));
        messages.push((*name, message, *reason));
    }
    let file = id(&ada.upload(&channel, "good.png", good).await.expect(201));
    let message = id(&post(&ada, &channel, "good", &[file]).await.expect(201));
    world.run_jobs().await;
    assert_eq!(file_of(&ada, &message).await["thumbnail"], "ready");
    for (name, message, reason) in messages {
        let file = file_of(&ada, &message).await;
        // A picture with more behind its end is a picture.
        let expected = if reason.is_empty() { ("ready", json!(null)) } else { ("failed", json!(reason)) };
        assert_eq!((file["thumbnail"].as_str(), &file["note"]), (Some(expected.0), &expected.1), "{name}");
    }
    nothing_failed(&world).await;
}

pub(crate) async fn a_gif_moves_so_it_is_shown_as_it_is(world: World) {
    let (ada, channel) = start(&world).await;
    let gif = b"GIF89a\x40\x06\x90\x01\x00\x00\x00;".to_vec();
    let file = ada.upload(&channel, "wave.gif", gif).await.expect(201);
    assert_eq!((&file["content_type"], &file["thumbnail"]), (&json!("image/gif"), &json!("none")), "{file}");
    assert_eq!((&file["width"], &file["height"], &file["note"]), (&json!(1600), &json!(400), &json!(null)), "{file}");
    world.run_jobs().await;
    nothing_failed(&world).await;
}

/// No job waits to be tried again, and none was given up.
async fn nothing_failed(world: &World) {
    let filter = Filter { kind: "messages.thumbnail".to_owned(), ..Filter::default() };
    let jobs = world.jobs().admin().list(&filter).await.expect("jobs").jobs;
    assert!(jobs.iter().all(|job| job.state == State::Completed), "{jobs:?}");
}

pub(crate) async fn what_pictures_may_take_is_configured(_: World) {
    let config = json!({"messages": {"max_pixels": 10_000, "max_picture": "20KB"}});
    let world = World::start_in(config).await;
    let (ada, channel) = start(&world).await;
    for (side, expected) in [(100, "waiting"), (101, "failed")] {
        let file = ada.upload(&channel, "a.png", picture(side, side)).await.expect(201);
        assert_eq!(file["thumbnail"], expected, "{file}");
    }
    let padded = [picture(50, 50), vec![0; 20 << 10]].concat();
    let file = ada.upload(&channel, "a.png", padded).await.expect(201);
    assert_eq!((&file["thumbnail"], &file["note"]), (&json!("failed"), &json!("it is larger than 20KB")));
}
