//! The window with a host that keeps its word, and hosts that do not.

use std::collections::BTreeMap;
use std::thread;

use super::*;

const fn id(block: u32) -> BlockId {
    BlockId { segment: 2, block }
}

fn bytes(length: usize, seed: u8) -> Arc<[u8]> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect()
}

/// A host in memory, which answers what the uplink carries to it.
#[derive(Default)]
struct Host {
    parts: BTreeMap<BlobName, Vec<u8>>,
    whole: BTreeMap<BlobName, Vec<u8>>,
}

impl Host {
    fn answer(&mut self, request: Request<'_>) -> Answer {
        match request {
            Request::Put { name, total, offset, bytes } => {
                let part = self.parts.entry(name).or_default();
                part.truncate(usize::try_from(offset).unwrap());
                part.extend_from_slice(bytes);
                if part.len() as u64 == total {
                    let whole = self.parts.remove(&name).unwrap();
                    self.whole.insert(name, whole);
                }
                Answer::Done
            }
            Request::Get { name, offset } => {
                let Some(whole) = self.whole.get(&name) else { return Answer::Nothing };
                let from = usize::try_from(offset).unwrap();
                let to = whole.len().min(from + PIECE_BYTES_MAX);
                Answer::Piece { total: whole.len() as u64, bytes: whole[from..to].to_vec() }
            }
            Request::Remove { name } => {
                self.whole.remove(&name);
                Answer::Done
            }
            Request::List { after } => Answer::Names(
                self.whole.keys().copied().filter(|name| Some(*name) > after).collect(),
            ),
        }
    }

    /// Answers until nothing more is asked; how many requests there were.
    fn serve(&mut self, window: &Window) -> usize {
        let mut count = 0;
        while let Some(body) = window.next_request() {
            let Ok(Up::Blob(request)) = Up::decode(&body) else { panic!("{body:?}") };
            assert!(window.next_request().is_none(), "one request is open at a time");
            assert!(window.take(self.answer(request)));
            count += 1;
        }
        count
    }
}

/// Asks on a thread of its own, as the store does, while the host answers.
fn with_host<T: Send>(
    window: &Window,
    host: &mut Host,
    ask: impl FnOnce(&Window) -> T + Send,
) -> T {
    thread::scope(|threads| {
        let asked = threads.spawn(|| ask(window));
        while !asked.is_finished() {
            host.serve(window);
            thread::yield_now();
        }
        asked.join().unwrap()
    })
}

#[test]
fn blocks_go_out_in_pieces_and_come_back_whole() {
    let (window, mut host) = (Window::default(), Host::default());
    let (long, short) = (bytes(2 * PIECE_BYTES_MAX + 1, 1), bytes(3, 2));
    window.put(id(0), &long).unwrap();
    // Before there is a host they are read from here.
    assert_eq!(window.get(id(0)).unwrap().as_deref(), Some(&*long));
    assert_eq!(host.serve(&window), 0);
    window.open();
    window.put(id(1), &short).unwrap();
    assert_eq!(host.serve(&window), 4);
    assert_eq!(window.state().put_bytes, 0);
    let given = with_host(&window, &mut host, |window| [window.get(id(0)), window.get(id(1))]);
    assert_eq!(given.map(|it| it.unwrap().unwrap()), [long, short]);
    let missing = with_host(&window, &mut host, |window| window.get(id(9)));
    assert_eq!(missing.unwrap(), None);
    let list = with_host(&window, &mut host, Backend::list);
    assert_eq!(list.unwrap(), [id(0), id(1)]);
    window.remove(id(0)).unwrap();
    assert_eq!(host.serve(&window), 1);
    assert_eq!(with_host(&window, &mut host, Backend::list).unwrap(), [id(1)]);
}

#[test]
fn a_session_that_ends_in_the_middle_of_a_block_begins_the_block_anew() {
    let (window, mut host) = (Window::default(), Host::default());
    let long = bytes(PIECE_BYTES_MAX + 9, 3);
    window.put(id(0), &long).unwrap();
    window.open();
    let first = window.next_request().unwrap();
    window.shut();
    assert!(window.next_request().is_none());
    assert!(!window.take(Answer::Done), "an answer to the session before");
    window.open();
    assert_eq!(window.next_request().unwrap(), first);
    assert!(window.take(Answer::Done));
    window.shut();
    window.open();
    assert_eq!(host.serve(&window), 2);
    assert_eq!(host.whole[&name(id(0))], &*long);
}

#[test]
fn a_host_without_room_fills_the_window_and_no_more() {
    let window = Window::default();
    window.open();
    window.put(id(0), &bytes(PUT_BYTES_MAX + 1, 0)).unwrap();
    assert!(window.put(id(1), &bytes(1, 0)).is_err(), "bytes");
    window.remove(id(0)).unwrap();
    assert_eq!(Host::default().serve(&window), 1);
    for number in 0..PUTS_MAX {
        window.put(id(u32::try_from(number).unwrap()), &bytes(1, 0)).unwrap();
    }
    assert!(window.put(id(99), &bytes(1, 0)).is_err(), "number");
    assert!(window.next_request().is_some());
    assert!(window.take(Answer::Refused));
    assert!(window.next_request().is_none(), "not asked again at once");
    // What it did not take is still here.
    assert_eq!(window.get(id(0)).unwrap().as_deref(), Some(&*bytes(1, 0)));
}

#[test]
fn whoever_waits_is_told_when_the_session_ends() {
    let window = Window::default();
    assert!(window.get(id(0)).is_err(), "no session, no wait");
    window.open();
    thread::scope(|threads| {
        let asked = threads.spawn(|| window.get(id(0)));
        while window.next_request().is_none() {
            thread::yield_now();
        }
        window.shut();
        assert!(asked.join().unwrap().is_err());
    });
}

#[test]
fn a_silent_host_costs_one_wait() {
    let window = Window::default();
    window.open();
    let began = Instant::now();
    assert!(window.get(id(0)).is_err());
    assert!(began.elapsed() >= READ_WAIT);
    let began = Instant::now();
    assert!(window.get(id(0)).is_err());
    assert!(window.list().is_err());
    assert!(began.elapsed() < READ_WAIT);
    // It speaks again: the request that nobody waits for any longer is answered.
    let mut host = Host::default();
    assert_eq!(host.serve(&window), 1);
    assert_eq!(with_host(&window, &mut host, |window| window.get(id(0))).unwrap(), None);
}

#[test]
fn answers_of_another_kind_end_the_session() {
    for answer in
        [Answer::Piece { total: 1, bytes: vec![1] }, Answer::Nothing, Answer::Names(Vec::new())]
    {
        let window = Window::default();
        window.open();
        assert!(!window.take(answer.clone()), "nothing was asked");
        window.put(id(0), &bytes(1, 0)).unwrap();
        window.next_request().unwrap();
        assert!(!window.take(answer), "a put was asked");
    }
}

#[test]
fn a_list_that_goes_in_circles_is_left() {
    let window = Window::default();
    window.open();
    let full: Vec<BlobName> = (0..NAMES_MAX as u64).map(|n| BlobName(n.to_be_bytes())).collect();
    thread::scope(|threads| {
        let asked = threads.spawn(|| window.list());
        while !asked.is_finished() {
            if window.next_request().is_some() {
                assert!(window.take(Answer::Names(full.clone())));
            }
            thread::yield_now();
        }
        assert!(asked.join().unwrap().is_err());
    });
}
