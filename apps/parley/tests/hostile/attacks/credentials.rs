//! Cookies and tokens that are forged, cut, swapped or grown, and requests that another site made.

use crate::request::{Attack, Credentials, Expect, Surface};

pub(crate) fn credentials(surface: &Surface<'_>) -> Vec<Attack> {
    let expect = || if surface.operation.secured { Expect::Status(401) } else { Expect::Anything };
    let with = |headers: Vec<(&'static str, Vec<u8>)>, expect| {
        let shown: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {:.60}", String::from_utf8_lossy(value))).collect();
        let attack = surface.attack(format!("as {shown:?}"), &surface.sample(), expect);
        Attack { credentials: Credentials::Headers(headers), ..attack }
    };
    let mut attacks = vec![with(Vec::new(), expect())];
    attacks
        .extend(bearers(&surface.ids.bearer).into_iter().map(|value| with(vec![("authorization", value)], expect())));
    let cookies = cookies(&surface.ids.cookie, &surface.ids.other_cookie);
    attacks.extend(cookies.into_iter().map(|value| with(vec![("cookie", value.into_bytes())], expect())));
    // A token that is wrong is not made up for by a cookie that is right.
    let both =
        vec![("authorization", b"Bearer parley_x".to_vec()), ("cookie", surface.ids.cookie.clone().into_bytes())];
    attacks.push(with(both, expect()));
    attacks.extend(other_sites(surface));
    attacks
}

fn bearers(token: &str) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer parley_",
        "Basic YTpi",
        "Bearer null",
        "Digest x",
        ", ,",
        "Bearer ' OR 1=1 --",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let texts = [
        format!("Bearer {}", &token[..token.len() - 1]),
        format!("Bearer {token}x"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {token} {token}"),
        format!("Bearer {}", token.replace("parley_", "parley-")),
        format!("Bearer parley_{}", "x".repeat(20_000)),
        format!("Basic {token}"),
        token.to_owned(),
    ];
    values.extend(texts.map(String::into_bytes));
    values.extend([b"Bearer \xff\xfe".to_vec(), b"\xf0\x9f\x92\xa3".to_vec(), "Bearer 💣".as_bytes().to_vec()]);
    values
}

fn cookies(own: &str, other: &str) -> Vec<String> {
    let value = own.strip_prefix("session=").expect("the session's cookie");
    let other = other.strip_prefix("session=").expect("the session's cookie");
    let flipped = |at: usize| {
        let mut bytes = value.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        format!("session={}", String::from_utf8(bytes).unwrap())
    };
    let mut cookies: Vec<String> = (0..16).map(|part| flipped((value.len() - 1) * part / 16)).collect();
    let half = value.len() / 2;
    cookies.extend([
        "session=".to_owned(),
        "session".to_owned(),
        "session=x; session=y; session=".to_owned(),
        format!("session={}", &value[..value.len() - 4]),
        format!("session={value}AAAA"),
        format!("session={value}="),
        format!("session=\"{value}\""),
        format!("session={}{}", &value[..half], &other[half..]),
        format!("session={}{}", &other[..22], &value[22..]),
        format!("Session={value}"),
        format!("__Host-session={value}"),
        format!("session%3D{value}"),
        format!("session={}", "A".repeat(107)),
        format!("session={}", "A".repeat(20_000)),
        "a=b; ".repeat(3_000),
        ";;;=;= ;".to_owned(),
        "session=' OR 1=1 --".to_owned(),
    ]);
    cookies
}

/// A browser that another page made send it: it carries the cookie, and must change nothing.
fn other_sites(surface: &Surface<'_>) -> Vec<Attack> {
    let refused = !surface.operation.method.is_safe() && !surface.operation.any_origin;
    let headers: [&[(&'static str, &str)]; 4] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://localhost")],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
    ];
    let attack = |headers: &[(&'static str, &str)]| {
        let mut all: Vec<(&'static str, Vec<u8>)> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
        all.push(("cookie", surface.ids.cookie.clone().into_bytes()));
        let expect = if refused { Expect::Status(403) } else { Expect::Anything };
        let attack = surface.attack(format!("from another site: {headers:?}"), &surface.sample(), expect);
        Attack { credentials: Credentials::Headers(all), ..attack }
    };
    headers.into_iter().map(attack).collect()
}
