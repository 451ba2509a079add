//! Frames through cells, and everything that is not the next cell.

extern crate std;

use alloc::vec;
use alloc::vec::Vec;

use lucarne_ledger::key::Ed25519Key;

use super::*;
use crate::frame;

const EPOCH: EpochId = EpochId([7; 16]);
const FRAME: u64 = 2048;

fn shape() -> Shape {
    Shape::new(100, FRAME).unwrap()
}

fn gateway_key() -> Ed25519Key {
    Ed25519Key::from_seed(&[1; 32]).unwrap()
}

/// Both ends of a session.
fn ends() -> (Cells, Cells) {
    let (offer, message) = Offer::draw(shape(), EPOCH, &[2; 32]).unwrap();
    let Ok(Up::Constant { shape: asked, key }) = Up::decode(&message) else { panic!() };
    assert_eq!(asked, shape());
    let (gateway, said) = answer(asked, &key, EPOCH, &[3; 32], &gateway_key()).unwrap();
    let Ok(Down::Constant { key, signature }) = Down::decode(&said) else { panic!() };
    let enclave = offer.answered(&key, &signature, gateway_key().public_key()).unwrap();
    (enclave, gateway)
}

/// Sends until nothing waits, and gives the frames that arrive.
fn through(sender: &mut CellSender, receiver: &mut CellReceiver, size: usize) -> Vec<Vec<u8>> {
    let mut arrived = Vec::new();
    while sender.waiting() > 0 {
        let frame = sender.next_frame().unwrap();
        assert_eq!(frame.len(), size);
        receiver.take(&frame[4..]).unwrap();
        while let Some(body) = receiver.next_frame().unwrap() {
            arrived.push(body.to_vec());
        }
    }
    arrived
}

#[test]
fn frames_of_any_length_arrive_whole_and_in_order_in_both_directions() {
    let (mut enclave, mut gateway) = ends();
    let bodies: Vec<Vec<u8>> = [1, 2019, 2020, 2021, 9_000, 1, 60_000, 7]
        .iter()
        .enumerate()
        .map(|(n, length)| vec![u8::try_from(n).unwrap() + 1; *length])
        .collect();
    for body in &bodies {
        enclave.sender.push(&frame::encode(body));
        gateway.sender.push(&frame::encode(body));
    }
    assert_eq!(through(&mut enclave.sender, &mut gateway.receiver, 2048), bodies);
    assert_eq!(through(&mut gateway.sender, &mut enclave.receiver, DOWN_FRAME_BYTES), bodies);
}

#[test]
fn an_idle_frame_looks_like_a_full_one_and_carries_nothing() {
    let (mut enclave, mut gateway) = ends();
    assert!(enclave.sender.has_room());
    let idle = enclave.sender.next_frame().unwrap();
    enclave.sender.push(&frame::encode(&[0; 5_000]));
    assert!(!enclave.sender.has_room());
    let full = enclave.sender.next_frame().unwrap();
    assert_eq!((idle.len(), full.len(), &idle[..4]), (2048, 2048, &full[..4]));
    // No byte of what was sent, and no run of the zeros that it and the padding consist of.
    for frame in [&idle, &full] {
        assert!(!frame.windows(8).any(|window| window == [0; 8]));
    }
    for frame in [idle, full] {
        gateway.receiver.take(&frame[4..]).unwrap();
    }
    assert_eq!(gateway.receiver.next_frame(), Ok(None));
}

#[test]
fn a_cell_is_taken_once_in_its_place_and_unchanged() {
    let (mut enclave, mut gateway) = ends();
    let first = enclave.sender.next_frame().unwrap();
    let second = enclave.sender.next_frame().unwrap();
    for at in [0, 700, 2043] {
        let (_, mut gateway) = ends();
        let mut bent = first[4..].to_vec();
        bent[at] ^= 1;
        assert_eq!(gateway.receiver.take(&bent), Err(ConstantError::Cell), "byte {at}");
    }
    assert_eq!(ends().1.receiver.take(&second[4..]), Err(ConstantError::Cell), "out of order");
    assert_eq!(gateway.receiver.take(&first[5..]), Err(ConstantError::Cell), "too short");
    gateway.receiver.take(&first[4..]).unwrap();
    assert_eq!(gateway.receiver.take(&first[4..]), Err(ConstantError::Cell), "twice");
    // One direction is not the other.
    let down = ends().1.sender.next_frame().unwrap();
    let mut echo = ends().0.receiver;
    echo.take(&down[4..]).unwrap();
    let up = vec![0; DOWN_FRAME_BYTES - 4];
    assert_eq!(ends().0.receiver.take(&up), Err(ConstantError::Cell));
}

#[test]
fn only_the_pinned_key_answers_and_only_this_offer() {
    let answered = |epoch: EpochId, asked: Shape, seed: u8, bend: usize| {
        let (offer, message) = Offer::draw(shape(), EPOCH, &[2; 32]).unwrap();
        let Ok(Up::Constant { key, .. }) = Up::decode(&message) else { panic!() };
        let signer = Ed25519Key::from_seed(&[seed; 32]).unwrap();
        let (_, said) = answer(asked, &key, epoch, &[3; 32], &signer).unwrap();
        let Ok(Down::Constant { mut key, signature }) = Down::decode(&said) else { panic!() };
        key[31] ^= u8::from(bend == 1);
        offer.answered(&key, &signature, gateway_key().public_key()).map(|_| ())
    };
    let other = Shape::new(101, FRAME).unwrap();
    assert_eq!(answered(EPOCH, shape(), 1, 0), Ok(()));
    assert_eq!(answered(EpochId([8; 16]), shape(), 1, 0), Err(ConstantError::Signature));
    assert_eq!(answered(EPOCH, other, 1, 0), Err(ConstantError::Signature));
    assert_eq!(answered(EPOCH, shape(), 9, 0), Err(ConstantError::Signature));
    assert_eq!(answered(EPOCH, shape(), 1, 1), Err(ConstantError::Signature));
    // A key of which every secret is the same.
    let low = answer(shape(), &[0; 32], EPOCH, &[3; 32], &gateway_key()).map(|_| ());
    assert_eq!(low, Err(ConstantError::Key));
}

#[test]
fn a_shape_has_bounds() {
    let shapes = [(10, 1024), (60_000, 1 << 20), (9, 1024), (60_001, 1024), (10, 1023)];
    let made = shapes.map(|(interval, frame)| Shape::new(interval, frame).is_some());
    assert_eq!(made, [true, true, false, false, false]);
    assert_eq!(Shape::new(10, (1 << 20) + 1), None);
}

#[test]
fn a_frame_leaves_in_the_first_half_of_its_slot() {
    let shape = Shape::new(100, FRAME).unwrap();
    let times = [(0, 0), (3, 0), (3, 1 << 31), (3, u32::MAX)];
    let times = times.map(|(slot, random)| shape.departure(slot, random));
    let us = Duration::from_micros;
    assert_eq!(times[..3], [us(0), us(300_000), us(325_000)]);
    assert!(times[3] < us(350_000) && times[3] > us(349_999));
    assert_eq!([us(0), us(99_999), us(100_000)].map(|since| shape.slot(since)), [0, 0, 1]);
}

#[test]
fn content_has_one_spelling() {
    let cell = |length: u32, rest: &[u8]| [&length.to_be_bytes()[..], rest].concat();
    assert_eq!(content(&cell(2, &[1, 2, 0, 0])), Ok(&[1, 2][..]));
    assert_eq!(content(&cell(4, &[1, 2, 0, 0])), Ok(&[1, 2, 0, 0][..]));
    assert_eq!(content(&cell(5, &[1, 2, 0, 0])), Err(ConstantError::Padding));
    assert_eq!(content(&cell(1, &[1, 2, 0, 0])), Err(ConstantError::Padding));
    assert_eq!(content(&[0, 0, 0]), Err(ConstantError::Padding));
}
