//! Which addresses are of the public internet: a webhook must not reach what stands beside this server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a webhook may not be sent to this address; nothing where it may.
///
/// The tables are those of IANA's special-purpose registries. Of version 6 only what is given out as global unicast is
/// public; forms that carry an address of version 4 are as public as that one.
pub(super) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => first(&V4, address.to_bits()),
        IpAddr::V6(address) => of_v6(address),
    }
}

/// Bits of the network, how many of them count, and what it is for.
type Network<T> = (T, u32, &'static str);

const V4: [Network<u32>; 16] = [
    (v4(0, 0, 0, 0), 8, "this network"),
    (v4(10, 0, 0, 0), 8, "a private network"),
    (v4(100, 64, 0, 0), 10, "a network of a provider"),
    (v4(127, 0, 0, 0), 8, "this machine"),
    (v4(169, 254, 0, 0), 16, "the local link"),
    (v4(172, 16, 0, 0), 12, "a private network"),
    (v4(192, 0, 0, 0), 24, "reserved for protocols"),
    (v4(192, 0, 2, 0), 24, "for documentation"),
    (v4(192, 88, 99, 0), 24, "a relay that is no more"),
    (v4(192, 168, 0, 0), 16, "a private network"),
    (v4(198, 18, 0, 0), 15, "for benchmarks"),
    (v4(198, 51, 100, 0), 24, "for documentation"),
    (v4(203, 0, 113, 0), 24, "for documentation"),
    (v4(224, 0, 0, 0), 4, "for many receivers"),
    (v4(255, 255, 255, 255), 32, "for all receivers"),
    (v4(240, 0, 0, 0), 4, "reserved"),
];

const V6: [Network<u128>; 9] = [
    (0, 128, "no address"),
    (1, 128, "this machine"),
    (v6(0xfc00, 0), 7, "a private network"),
    (v6(0xfe80, 0), 10, "the local link"),
    (v6(0xfec0, 0), 10, "a private network"),
    (v6(0xff00, 0), 8, "for many receivers"),
    (v6(0x2001, 0), 23, "reserved for protocols"),
    (v6(0x2001, 0xdb8), 32, "for documentation"),
    (v6(0x3fff, 0), 20, "for documentation"),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    Ipv4Addr::new(a, b, c, d).to_bits()
}

const fn v6(first: u16, second: u16) -> u128 {
    Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0).to_bits()
}

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    if let Some(why) = first(&V6, bits) {
        return Some(why);
    }
    if let Some(inner) = carried(bits) {
        return first(&V4, inner);
    }
    // Global unicast is 2000::/3; everything else is reserved or not given out.
    (bits >> 125 != 1).then_some("not given out")
}

/// The address of version 4 in one of version 6: mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`), translated
/// (`64:ff9b::a.b.c.d`), and 6to4 (`2002:…`).
fn carried(bits: u128) -> Option<u32> {
    let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default();
    match (bits >> 32, bits >> 112) {
        (0 | 0xffff, _) => Some(low),
        (prefix, _) if prefix == v6(0x64, 0xff9b) >> 32 => Some(low),
        (_, 0x2002) => u32::try_from((bits >> 80) & u128::from(u32::MAX)).ok(),
        _ => None,
    }
}

/// What the first network is for that has this address.
fn first<T: Bits>(networks: &[Network<T>], address: T) -> Option<&'static str> {
    let inside = |(network, length, _): &&Network<T>| network.starts_as(address, *length);
    networks.iter().find(inside).map(|(_, _, what)| *what)
}

/// An address as a number.
trait Bits: Copy {
    /// Whether the first `length` bits are the same.
    fn starts_as(self, other: Self, length: u32) -> bool;
}

impl Bits for u32 {
    fn starts_as(self, other: Self, length: u32) -> bool {
        (self ^ other).checked_shr(Self::BITS - length).is_none_or(|rest| rest == 0)
    }
}

impl Bits for u128 {
    fn starts_as(self, other: Self, length: u32) -> bool {
        (self ^ other).checked_shr(Self::BITS - length).is_none_or(|rest| rest == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 21] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ];

    const REFUSED: [(&str, &str); 60] = [
        ("0.0.0.0", "this network"),
        ("0.255.255.255", "this network"),
        ("10.0.0.0", "a private network"),
        ("10.255.255.255", "a private network"),
        ("100.64.0.0", "a network of a provider"),
        ("100.100.100.200", "a network of a provider"),
        ("100.127.255.255", "a network of a provider"),
        ("127.0.0.1", "this machine"),
        ("127.255.255.254", "this machine"),
        ("169.254.0.0", "the local link"),
        ("169.254.169.254", "the local link"),
        ("169.254.255.255", "the local link"),
        ("172.16.0.0", "a private network"),
        ("172.31.255.255", "a private network"),
        ("192.0.0.0", "reserved for protocols"),
        ("192.0.0.192", "reserved for protocols"),
        ("192.0.2.1", "for documentation"),
        ("192.88.99.1", "a relay that is no more"),
        ("192.168.0.0", "a private network"),
        ("192.168.255.255", "a private network"),
        ("198.18.0.0", "for benchmarks"),
        ("198.19.255.255", "for benchmarks"),
        ("198.51.100.7", "for documentation"),
        ("203.0.113.255", "for documentation"),
        ("224.0.0.1", "for many receivers"),
        ("239.255.255.255", "for many receivers"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.254", "reserved"),
        ("255.255.255.255", "for all receivers"),
        ("::", "no address"),
        ("::1", "this machine"),
        ("::2", "this network"),
        ("::127.0.0.1", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("::ffff:10.1.2.3", "a private network"),
        ("::ffff:169.254.169.254", "the local link"),
        ("::ffff:0:127.0.0.1", "not given out"),
        ("64:ff9b::10.0.0.1", "a private network"),
        ("64:ff9b::169.254.169.254", "the local link"),
        ("64:ff9b:1::8.8.8.8", "not given out"),
        ("100::1", "not given out"),
        ("2001::1", "reserved for protocols"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved for protocols"),
        ("2001:10::1", "reserved for protocols"),
        ("2001:20::1", "reserved for protocols"),
        ("2001:1ff:ffff::1", "reserved for protocols"),
        ("2001:db8::1", "for documentation"),
        ("2002:7f00:1::1", "this machine"),
        ("2002:a00:1::1", "a private network"),
        ("2002:c0a8:101::1", "a private network"),
        ("3fff::1", "for documentation"),
        ("4000::1", "not given out"),
        ("5f00::1", "not given out"),
        ("fc00::1", "a private network"),
        ("fd12:3456:789a::1", "a private network"),
        ("fd00:ec2::254", "a private network"),
        ("fe80::1", "the local link"),
        ("fec0::1", "a private network"),
        ("ff02::1", "for many receivers"),
        ("ff0e::1", "for many receivers"),
    ];

    #[test]
    fn public_addresses_may_be_called() {
        for text in PUBLIC {
            assert_eq!(refusal(text.parse().expect("an address")), None, "{text}");
        }
    }

    #[test]
    fn others_may_not() {
        for (text, why) in REFUSED {
            assert_eq!(refusal(text.parse().expect("an address")), Some(why), "{text}");
        }
    }
}
