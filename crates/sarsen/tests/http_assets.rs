//! The web client: hashed addresses, caching, compression, and its pages.

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use sarsen::config::HttpSection;
use sarsen::http::{Asset, Assets, Health, Stack, StackParts};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use std::io::Read;

const PAGE: &[u8] = b"<!doctype html><link rel=stylesheet href=\"/assets/app.css\"><script type=module src=\"/assets/app.js\"></script>";
const STYLE: &[u8] = b"body { background: url(img/tile.png) } /* long enough that packing it pays off: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa */";

fn client(leaf: &'static [u8]) -> Vec<Asset> {
    vec![
        Asset::new("index.html", PAGE),
        Asset::new("app.css", STYLE),
        Asset::new("app.js", b"import { a } from './left.js';"),
        Asset::new("left.js", b"import './right.js'; import './leaf.js';"),
        Asset::new("right.js", b"import './left.js';"),
        Asset::new("leaf.js", leaf),
        Asset::new("img/tile.png", b"\x89PNG"),
    ]
}

fn assets(leaf: &'static [u8]) -> Assets {
    Assets::new(&client(leaf), &[("/", "index.html"), ("/c/{id}", "index.html")]).expect("assets")
}

fn stack(assets: Assets) -> Stack {
    let recorder = Recorder::new(8);
    let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(Lifecycle::default()));
    parts.assets = Some(assets);
    Stack::new(parts).expect("a stack")
}

async fn send(stack: &Stack, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = stack.call(request.body(Body::empty()).expect("a request")).await.into_parts();
    (parts.status, parts.headers, body.collect().await.expect("a body").to_bytes().to_vec())
}

#[tokio::test]
async fn references_lead_through_hashed_addresses() {
    let assets = assets(b"1");
    let url = |name: &str| assets.url(name).expect("an address").to_owned();
    let (script, left, tile) = (url("app.js"), url("left.js"), url("img/tile.png"));
    let stack = stack(assets);
    let (status, headers, page) = send(&stack, "GET", "/c/42", &[]).await;
    assert_eq!((status, headers["cache-control"].as_bytes()), (StatusCode::OK, b"no-cache".as_slice()));
    assert!(headers.contains_key("content-security-policy"));
    assert!(String::from_utf8_lossy(&page).contains(&script));
    let (_, headers, body) = send(&stack, "GET", &script, &[]).await;
    assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    assert!(String::from_utf8_lossy(&body).contains(&left));
    let (status, headers, body) = send(&stack, "GET", &tile, &[("accept-encoding", "gzip")]).await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, b"\x89PNG".as_slice()));
    assert!(!headers.contains_key("content-encoding") && !headers.contains_key("vary"));
    for path in ["/assets/app.js", "/assets/../index.html", "/assets/", "/assets/none.js", "/c"] {
        let (status, headers, _) = send(&stack, "GET", path, &[]).await;
        assert_eq!(
            (status, headers["content-type"].as_bytes()),
            (StatusCode::NOT_FOUND, b"application/problem+json".as_slice())
        );
    }
}

#[test]
fn a_change_shows_in_all_that_refer_to_it_also_in_a_cycle() {
    let (before, after) = (assets(b"1"), assets(b"2"));
    for changed in ["app.js", "left.js", "right.js", "leaf.js"] {
        assert_ne!(before.url(changed), after.url(changed), "{changed}");
    }
    for same in ["app.css", "img/tile.png"] {
        assert_eq!(before.url(same), after.url(same));
    }
    assert!(Assets::new(&client(b"1"), &[("/", "none.html")]).is_err());
}

#[tokio::test]
async fn answers_are_packed_tagged_and_without_a_body_where_it_is_known() {
    let assets = assets(b"1");
    let style = assets.url("app.css").expect("an address").to_owned();
    let stack = stack(assets);
    let (_, headers, packed) = send(&stack, "GET", &style, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(
        (headers["content-encoding"].as_bytes(), headers["vary"].as_bytes()),
        (b"gzip".as_slice(), b"accept-encoding".as_slice())
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("gzip");
    assert!(text.starts_with("body { background: url(/assets/img/tile."), "{text}");
    let (_, headers, plain) = send(&stack, "GET", &style, &[("accept-encoding", "gzip;q=0")]).await;
    assert!(!headers.contains_key("content-encoding") && plain == text.as_bytes());
    let (_, headers, _) = send(&stack, "GET", "/", &[]).await;
    let tag = headers["etag"].to_str().expect("text").to_owned();
    let weak = format!("\"other\", W/{tag}");
    for known in [tag.as_str(), weak.as_str(), "*"] {
        let (status, headers, body) = send(&stack, "GET", "/", &[("if-none-match", known)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        assert!(headers.contains_key("etag"));
    }
    assert_eq!(send(&stack, "GET", "/", &[("if-none-match", "\"other\"")]).await.0, StatusCode::OK);
    let (status, headers, body) = send(&stack, "HEAD", &style, &[]).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(headers["content-length"].to_str().expect("text"), text.len().to_string());
    assert_eq!(send(&stack, "POST", "/", &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
}
