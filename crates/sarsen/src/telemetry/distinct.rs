//! About how many different values there were: a HyperLogLog of 64 registers, right for a few and some 13 % off for many.

/// How many registers.
pub(crate) const REGISTERS: usize = 64;

/// What the largest rank was, in each register.
pub(crate) type Registers = [u8; REGISTERS];

/// The register of a value, and its rank there. The value is a hash; it is mixed once more, for hashes can be poor.
#[inline]
pub(crate) fn place_of(value: u64) -> (usize, u8) {
    let mixed = mix(value);
    let rank = (mixed << 6 | 1 << 5).leading_zeros() + 1;
    ((mixed >> 58) as usize, rank as u8)
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Adds the values of another one.
pub(crate) fn merge(into: &mut Registers, other: &Registers) {
    for (mine, theirs) in into.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

/// How many different values there were, about.
///
/// The formula is that of Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog", with linear counting while registers are empty.
pub(crate) fn estimate(registers: &Registers) -> f64 {
    let count = REGISTERS as f64;
    let empty = registers.iter().filter(|register| **register == 0).count() as f64;
    let sum: f64 = registers.iter().map(|register| 0.5_f64.powi(i32::from(*register))).sum();
    let raw = 0.709 * count * count / sum;
    if raw <= 2.5 * count && empty > 0.0 { count * (count / empty).ln() } else { raw }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_near_the_truth() {
        for many in [1_u64, 2, 5, 20, 100, 1_000, 100_000] {
            let mut registers = [0; REGISTERS];
            for value in 0..many {
                let (register, rank) = place_of(value);
                registers[register] = registers[register].max(rank);
            }
            let off = (estimate(&registers) - many as f64).abs() / many as f64;
            assert!(off < 0.3, "{many} were estimated as {}", estimate(&registers));
        }
        assert_eq!(estimate(&[0; REGISTERS]), 0.0);
    }
}
