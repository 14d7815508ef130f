//! Bytes that are nearly right.

use fastrand::Rng;

/// Numbers at which lengths, signs and varints turn.
const TURNS: [u8; 10] = [0, 1, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];

/// One of the samples, changed in some places.
pub(crate) fn mutant(rng: &mut Rng, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = samples[rng.usize(..samples.len())].clone();
    for _ in 0..rng.usize(1..=4) {
        change(rng, &mut bytes, samples);
    }
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
    let at = rng.usize(..=bytes.len());
    let to = rng.usize(at..=bytes.len().min(at + 64));
    match rng.u8(..8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..to)),
        2 => bytes.extend_from_within(at..to),
        3 => {
            let other = &samples[rng.usize(..samples.len())];
            let from = rng.usize(..=other.len());
            let piece = &other[from..other.len().min(from + 64)];
            bytes.splice(at..to, piece.iter().copied());
        }
        4 => {
            // A length or a number, as large as can be.
            let width = [0xfb, 0xfc, 0xfd][rng.usize(..3)];
            bytes.splice(at..to, [width].into_iter().chain([TURNS[rng.usize(..10)]; 8]));
        }
        5 => bytes.insert(at, rng.u8(..)),
        _ if at == bytes.len() => bytes.push(TURNS[rng.usize(..10)]),
        6 => bytes[at] ^= 1 << rng.u8(..8),
        _ => bytes[at] = TURNS[rng.usize(..10)],
    }
}
