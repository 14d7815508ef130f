//! A daemon that answers as it is told and keeps what it hears.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use zccache_core::protocol::frame::{self, HEADER, Header};
use zccache_core::protocol::{Own, Reply, Request, Verdict, socket};
use zccache_core::report::Report;

/// One answer, with the files whose descriptors go with it.
pub(crate) struct Answer {
    pub reply: Reply,
    pub files: Vec<File>,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        Self { reply: Reply::Verdict(verdict), files: Vec::new() }
    }
}

/// Everything that one launcher said.
#[derive(Default)]
pub(crate) struct Heard {
    pub requests: Vec<Request>,
    pub descriptors: Vec<OwnedFd>,
}

impl Heard {
    /// The report of the run.
    pub(crate) fn report(&self) -> &Report {
        self.requests
            .iter()
            .find_map(|request| match request {
                Request::Finished(report) => Some(&**report),
                _ => None,
            })
            .expect("the launcher reports")
    }

    /// The bytes of the attached outputs, in order.
    pub(crate) fn contents(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.descriptors)
            .into_iter()
            .map(|descriptor| {
                let mut bytes = Vec::new();
                File::from(descriptor).read_to_end(&mut bytes).unwrap();
                bytes
            })
            .collect()
    }
}

/// Serves one connection at the socket of `store`, and after a hit another if there are
/// answers left. A look-up and a refusal take the next answers, a wait is followed by the
/// one after it; a report or a bypass takes none.
pub(crate) fn serve(store: &Path, answers: Vec<Answer>) -> JoinHandle<Heard> {
    let listener = UnixListener::bind(store.join("daemon.sock")).unwrap();
    std::thread::spawn(move || {
        let mut heard = Heard::default();
        let mut answers = VecDeque::from(answers);
        let is_hit = |answer: &Answer| matches!(answer.reply, Reply::Verdict(Verdict::Hit(_)));
        let mut more = true;
        while more {
            let (stream, _) = listener.accept().unwrap();
            more = answers.len() > 1 && answers.front().is_some_and(is_hit);
            while let Some(request) = receive(&stream, &mut heard.descriptors) {
                if !matches!(request, Request::Finished(_) | Request::Bypassed { .. }) {
                    answer(&stream, &mut answers);
                }
                heard.requests.push(request);
            }
        }
        heard
    })
}

/// As [`serve`] for a launcher that is to run its command, but what it says then
/// is heard only when `listen` allows it.
pub(crate) fn serve_late(store: &Path, listen: Receiver<()>) -> JoinHandle<Heard> {
    let listener = UnixListener::bind(store.join("daemon.sock")).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut heard = Heard::default();
        heard.requests.extend(receive(&stream, &mut heard.descriptors));
        send(&stream, &run(Vec::new()).into());
        listen.recv().unwrap();
        heard.requests.extend(receive(&stream, &mut heard.descriptors));
        heard
    })
}

fn answer(stream: &UnixStream, answers: &mut VecDeque<Answer>) {
    while let Some(answer) = answers.pop_front() {
        send(stream, &answer);
        if !matches!(answer.reply, Reply::Verdict(Verdict::Wait)) {
            return;
        }
    }
}

fn receive(stream: &UnixStream, descriptors: &mut Vec<OwnedFd>) -> Option<Request> {
    let mut header = [0; HEADER];
    fill(stream, &mut header, descriptors)?;
    let header = Header::parse(&header).unwrap();
    let mut payload = vec![0; header.length];
    fill(stream, &mut payload, descriptors)?;
    assert_eq!(descriptors.len(), usize::from(header.descriptors), "descriptors as announced");
    let request = frame::decode(&payload).unwrap();
    if let Request::Finished(report) = &request {
        // What follows is the watch over the directories of outputs, to be closed.
        assert!(descriptors.len() <= report.attached() + 1, "nothing else is left behind");
        descriptors.truncate(report.attached());
    }
    Some(request)
}

fn fill(stream: &UnixStream, mut room: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Option<()> {
    let whole = room.len();
    while !room.is_empty() {
        let count = socket::receive(stream.as_fd(), room, descriptors).unwrap();
        if count == 0 {
            assert_eq!(whole, room.len(), "cut off within a message");
            return None;
        }
        room = &mut room[count..];
    }
    Some(())
}

fn send(stream: &UnixStream, answer: &Answer) {
    let bytes = frame::encode(&answer.reply, answer.files.len()).unwrap();
    let files: Vec<_> = answer.files.iter().map(AsFd::as_fd).collect();
    let mut sent = socket::send(stream.as_fd(), &bytes, &files).unwrap();
    while sent < bytes.len() {
        sent += socket::send(stream.as_fd(), &bytes[sent..], &[]).unwrap();
    }
}

/// Lets the compiler run, with these views.
pub(crate) fn run(views: Vec<u64>) -> Verdict {
    Verdict::Run { views, own: Own::default(), awaited: false }
}
