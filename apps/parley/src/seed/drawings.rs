//! The pictures of the made-up workspace: the harbour in the evening, and who stands in it.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use sarsen::{Error, Result};

const WIDE: u32 = 960;
const HIGH: u32 = 600;
/// Where the water begins.
const SHORE: f32 = 0.62;

type Colour = [f32; 3];

const SKY: [Colour; 2] = [[92.0, 112.0, 168.0], [250.0, 190.0, 140.0]];
const SUN: Colour = [255.0, 236.0, 190.0];
const HILLS: [(f32, f32, Colour); 3] =
    [(0.50, 4.0, [128.0, 112.0, 150.0]), (0.55, 7.0, [92.0, 86.0, 122.0]), (0.60, 11.0, [58.0, 62.0, 92.0])];
const DARK: Colour = [34.0, 38.0, 58.0];

/// The harbour, as a JPEG.
pub(super) fn harbour() -> Result<Vec<u8>> {
    encode(&scene(0.72))
}

/// The same from closer by, with two herons.
pub(super) fn herons() -> Result<Vec<u8>> {
    let mut image = scene(0.3);
    heron(&mut image, (390.0, 330.0), 1.0);
    heron(&mut image, (610.0, 372.0), 0.72);
    encode(&image)
}

fn encode(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(image);
    encoded.map_err(|error| Error::internal("a drawing cannot be encoded").source(error))?;
    Ok(bytes)
}

/// Sky, hills and water, with the sun at this part of the width.
fn scene(sun: f32) -> RgbImage {
    RgbImage::from_fn(WIDE, HIGH, |x, y| {
        let (x, y) = (x as f32 / WIDE as f32, y as f32 / HIGH as f32);
        if y < SHORE {
            return colour(above(x, y, sun));
        }
        // The water shows what is above it, darker and in waves.
        let depth = y - SHORE;
        let wave = (depth * 240.0 + (x * 30.0).sin()).sin() * (0.004 + depth * 0.03);
        let mirrored = above(x + wave, SHORE - depth * 1.4, sun);
        colour(mix(mirrored, DARK, 0.25 + depth))
    })
}

fn above(x: f32, y: f32, sun: f32) -> Colour {
    let ridge = |height: f32, waves: f32| height - (x * waves).sin() * 0.035 - (x * waves * 2.3 + 1.0).sin() * 0.015;
    if let Some((_, _, hill)) = HILLS.iter().rev().find(|(height, waves, _)| y > ridge(*height, *waves)) {
        return *hill;
    }
    let away = ((x - sun) * 1.6).hypot(y - 0.4);
    let sky = mix(SKY[0], SKY[1], (y / SHORE).clamp(0.0, 1.0));
    if away < 0.07 { SUN } else { mix(SUN, sky, (away * 1.8 + 0.35).min(1.0)) }
}

/// A heron whose body is here: legs, body, neck and beak.
fn heron(image: &mut RgbImage, (x, y): (f32, f32), size: f32) {
    let at = |right: f32, down: f32| (x + right * size, y + down * size);
    let strokes = [
        (at(-12.0, 30.0), at(-12.0, 150.0), 2.2, 2.2),
        (at(8.0, 30.0), at(14.0, 150.0), 2.2, 2.2),
        (at(-70.0, 30.0), at(24.0, 0.0), 6.0, 24.0),
        (at(26.0, -4.0), at(48.0, -60.0), 13.0, 6.5),
        (at(48.0, -60.0), at(32.0, -104.0), 6.5, 5.0),
        (at(32.0, -104.0), at(48.0, -126.0), 5.0, 9.0),
        (at(48.0, -126.0), at(112.0, -112.0), 6.0, 1.0),
        (at(46.0, -132.0), at(6.0, -124.0), 3.5, 0.8),
    ];
    for (from, to, begin, end) in strokes {
        stroke(image, from, to, (begin * size, end * size));
    }
}

/// A line that is so thick where it begins, and so thick where it ends.
fn stroke(image: &mut RgbImage, from: (f32, f32), to: (f32, f32), (begin, end): (f32, f32)) {
    let steps = (to.0 - from.0).hypot(to.1 - from.1).ceil().max(1.0);
    for step in 0..=steps as u32 {
        let part = step as f32 / steps;
        let (x, y) = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
        let radius = begin + (end - begin) * part;
        for down in (y - radius) as u32..=(y + radius) as u32 {
            for right in (x - radius) as u32..=(x + radius) as u32 {
                let inside = (right as f32 - x).hypot(down as f32 - y) <= radius;
                if let Some(pixel) = image.get_pixel_mut_checked(right, down).filter(|_| inside) {
                    *pixel = colour(DARK);
                }
            }
        }
    }
}

fn mix(one: Colour, other: Colour, part: f32) -> Colour {
    let part = part.clamp(0.0, 1.0);
    [0, 1, 2].map(|channel| one[channel] + (other[channel] - one[channel]) * part)
}

fn colour(colour: Colour) -> Rgb<u8> {
    Rgb(colour.map(|channel| channel.clamp(0.0, 255.0) as u8))
}
