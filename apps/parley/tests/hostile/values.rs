//! What is put where a good value belongs.

use serde_json::{Value, json};
use std::sync::LazyLock;

/// Text that is well formed, and breaks what was built carelessly.
pub(crate) static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let fixed = [
        "",
        " ",
        "\n\t ",
        "0",
        "-1",
        "null",
        "true",
        "[]",
        "{}",
        "NaN",
        "18446744073709551616",
        "1e400",
        "a\0b",
        "\u{7}\u{1b}[31m\u{85}\u{9b}",
        "\r\nset-cookie: a=b\r\n\r\n",
        "\u{202e}txet\u{202c}\u{2066}",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "עברית العربية",
        "e\u{301}\u{301}\u{301}",
        "\u{feff}\u{200b}\u{ffff}\u{10ffff}",
        "ﷺ",
        "İıſ",
        "ẞ",
        "' OR '1'='1",
        "'; DROP TABLE messages; --",
        "\" OR 1=1 --",
        "1; SELECT pg_sleep(9)",
        "x' UNION SELECT password FROM users --",
        "$1 ? ?1 :id @id",
        "\\'; \\\\",
        "%' ESCAPE '!",
        "%_!%",
        "!",
        "\"",
        "\"open",
        "*",
        "a* AND (b",
        "NEAR(a b, 2)",
        "scope:x",
        "-a",
        "^a",
        "a & | ! <-> b:*",
        "'a' 'b",
        "{{7*7}}",
        "${7*7}",
        "%s%n%x",
        "../../../etc/passwd",
        "<script>alert(1)</script>",
        "00000000-0000-0000-0000-000000000000",
        "urn:uuid:0",
        "2026-01-01T00:00:00Z",
        "@a @b @@ @everyone",
        "CON",
        "__proto__",
        "constructor",
    ];
    let long = [
        "x".repeat(33),
        "x".repeat(65),
        "w".repeat(8_000),
        "w".repeat(8_001),
        "ä".repeat(100_000),
        "💣".repeat(2_000),
        "a b ".repeat(2_000),
        "\" ".repeat(100),
        "@mallory ".repeat(800),
        "e\u{301}".repeat(4_000),
        "(".repeat(200),
        (0..1_500).map(|number| format!("w{number} ")).collect(),
    ];
    fixed.into_iter().map(str::to_owned).chain(long).collect()
});

/// JSON of every type, where some of it belongs.
pub(crate) fn wrong_types() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(7),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(-1e300),
        json!("text"),
        json!([]),
        json!([null]),
        json!([[], {}]),
        json!({}),
        json!({"a": {"b": []}}),
        Value::Array((0..10_000).map(Value::from).collect()),
    ]
}

/// What stands for a value and is no JSON, or none that anybody needs to take.
pub(crate) fn wrong_json() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000)).into_bytes();
    let mut all: Vec<Vec<u8>> = [
        r#""\ud800""#,
        r#""\udc00 x""#,
        r#""\ud83d\u0041""#,
        r#""\x41""#,
        r#""\u12""#,
        "\"a\nb\"",
        "'single'",
        "NaN",
        "-Infinity",
        "01",
        "+1",
        "1.",
        ".5",
        "1e400",
        "-",
        "tru",
        "nul",
        "undefined",
        "// comment\n1",
        "[1,]",
        r#"{"a":1,}"#,
        r#"{"a"}"#,
        r#"{1:2}"#,
        "123456789012345678901234567890123456789012345678901234567890",
        "[",
        "{",
        "",
        ",",
        "\u{feff}1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.extend([deep("[", "]"), deep("{\"a\":", "}"), b"[".repeat(10_000), b"{\"a\":".repeat(10_000)]);
    all.extend(
        [&b"\"\xff\xfe\""[..], b"\"\xc3\x28\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xc0\x80\""]
            .map(<[u8]>::to_vec),
    );
    all
}

/// Raw ends of a path or of a query that no decoder likes.
pub(crate) const RAW: [&str; 18] = [
    "%",
    "%%",
    "%2",
    "%zz",
    "%00",
    "%ff%fe",
    "%c3%28",
    "%ed%a0%80",
    "%2e%2e%2f%2e%2e%2f",
    "..",
    "%2F",
    "%5C",
    "%0d%0aa:b",
    "+",
    "~",
    "%25%30%30",
    ";a=b",
    "%F0%9F%92%A3",
];
