//! What waits to go out on one connection: bounded in bytes, and what happens when a client is too slow.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a frame costs beside its text.
const OVERHEAD: usize = 64;
/// Most frames that are handed out at once, and when enough bytes are.
const BATCH: usize = 32;
const BATCH_BYTES: usize = 16 << 10;
/// Room that an empty queue keeps.
const KEPT: usize = 16;

/// What may happen to a frame when the client does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It must arrive: without room the connection ends, and the client comes back for what it missed.
    All,
    /// It may be left out.
    Some,
    /// A newer one of the same key takes its place.
    Latest(std::sync::Arc<str>),
}

/// One message as it goes out, made once for all who hear it.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(super) text: Bytes,
    /// Its place in the log, for transports that say it outside the text.
    pub(super) offset: Option<i64>,
    pub(super) keep: Keep,
}

impl Frame {
    /// Its JSON.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Its position, if it is a message of a durable topic.
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

/// Why a connection ends, as the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server stops; come back after the time that was told.
    Restart,
    /// It did not read fast enough.
    Slow,
    /// It said nothing for too long.
    Silent,
    /// It sent too much.
    Flood,
    /// It sent what is no message.
    Malformed,
    /// Who was there may be there no longer.
    Revoked,
    /// It has been open long enough: who is there is asked anew.
    Expired,
}

impl End {
    /// The code of the WebSocket's close.
    pub fn code(self) -> u16 {
        match self {
            End::Restart => 1012,
            End::Malformed => 1007,
            End::Slow => 4008,
            End::Silent => 4009,
            End::Flood => 4029,
            End::Revoked => 4003,
            End::Expired => 4001,
        }
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Restart => "the server restarts",
            End::Malformed => "that is no message",
            End::Slow => "too slow; come back for what was missed",
            End::Silent => "silent for too long",
            End::Flood => "too many messages",
            End::Revoked => "access was taken back",
            End::Expired => "sign in again",
        }
    }
}

/// What a transport is to do next.
#[derive(Debug)]
pub enum Next {
    /// Send these.
    Send(Vec<Frame>),
    /// Ask the client whether it is there.
    Ping,
    /// Ask again who may hear what.
    Recheck,
    /// Say why, and close.
    Close(End),
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    ping: bool,
    recheck: bool,
    end: Option<End>,
    waker: Option<Waker>,
    cutter: Option<Waker>,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// It was left out, or took the place of another.
    Less,
    /// There was no room: the connection ends.
    Slow,
    /// The connection has ended.
    Over,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame, where at most `limit` bytes may wait.
    pub(super) fn push(&self, frame: Frame, limit: usize) -> Pushed {
        let mut waiting = self.waiting();
        if waiting.end.is_some() {
            return Pushed::Over;
        }
        if waiting.replace(&frame) {
            return Pushed::Less;
        }
        while waiting.bytes + frame.size() > limit {
            if waiting.drop_one() {
                continue;
            }
            if frame.keep == Keep::Some {
                return Pushed::Less;
            }
            waiting.finish(End::Slow);
            return Pushed::Slow;
        }
        waiting.bytes += frame.size();
        waiting.frames.push_back(frame);
        waiting.wake();
        Pushed::Queued
    }

    pub(super) fn ping(&self) {
        let mut waiting = self.waiting();
        waiting.ping = true;
        waiting.wake();
    }

    pub(super) fn recheck(&self) {
        let mut waiting = self.waiting();
        waiting.recheck = true;
        waiting.wake();
    }

    /// Ends the connection, after what waits already where that is to be sent.
    pub(super) fn end(&self, end: End) {
        let mut waiting = self.waiting();
        if waiting.end.is_none() {
            waiting.finish(end);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.waiting().bytes
    }

    #[cfg(test)]
    fn has_ended(&self) -> bool {
        self.waiting().end.is_some()
    }

    /// What to do next; only one task asks.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut waiting = self.waiting();
        if let Some(frames) = waiting.batch() {
            return Poll::Ready(Next::Send(frames));
        }
        if let Some(end) = waiting.end {
            return Poll::Ready(Next::Close(end));
        }
        if std::mem::take(&mut waiting.ping) {
            return Poll::Ready(Next::Ping);
        }
        if std::mem::take(&mut waiting.recheck) {
            return Poll::Ready(Next::Recheck);
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when the client is not to be waited for any more.
    pub(super) fn poll_cut(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if matches!(waiting.end, Some(End::Slow | End::Silent | End::Revoked)) {
            return Poll::Ready(());
        }
        waiting.cutter = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What waits goes out first, but not to one who does not read or may not.
    fn finish(&mut self, end: End) {
        self.end = Some(end);
        if matches!(end, End::Slow | End::Silent | End::Revoked) {
            (self.frames, self.bytes) = (VecDeque::new(), 0);
        }
        if let Some(cutter) = self.cutter.take() {
            cutter.wake();
        }
        self.wake();
    }

    /// Puts the frame in the place of an older one of its key.
    fn replace(&mut self, frame: &Frame) -> bool {
        let Keep::Latest(_) = &frame.keep else { return false };
        let Some(older) = self.frames.iter_mut().find(|older| older.keep == frame.keep) else { return false };
        self.bytes = self.bytes + frame.size() - older.size();
        *older = frame.clone();
        true
    }

    /// Leaves out the oldest that may be left out.
    fn drop_one(&mut self) -> bool {
        let Some(at) = self.frames.iter().position(|frame| frame.keep == Keep::Some) else { return false };
        if let Some(dropped) = self.frames.remove(at) {
            self.bytes -= dropped.size();
        }
        true
    }

    fn batch(&mut self) -> Option<Vec<Frame>> {
        let (mut count, mut bytes) = (0, 0);
        for frame in self.frames.iter().take(BATCH) {
            count += 1;
            bytes += frame.size();
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        if count == 0 {
            return None;
        }
        let batch = self.frames.drain(..count).collect();
        self.bytes -= bytes;
        if self.frames.is_empty() && self.frames.capacity() > KEPT {
            self.frames = VecDeque::new();
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str, keep: Keep) -> Frame {
        Frame { text: Bytes::from_static(text.as_bytes()), offset: None, keep }
    }

    fn texts(queue: &Queue) -> Vec<Bytes> {
        let mut context = Context::from_waker(Waker::noop());
        match queue.poll_next(&mut context) {
            Poll::Ready(Next::Send(frames)) => frames.into_iter().map(|frame| frame.text).collect(),
            _ => Vec::new(),
        }
    }

    const ROOM_FOR_TWO: usize = 2 * (1 + OVERHEAD);

    #[test]
    fn what_must_arrive_ends_the_connection_of_a_slow_reader() {
        let queue = Queue::default();
        assert_eq!(queue.push(frame("a", Keep::All), ROOM_FOR_TWO), Pushed::Queued);
        assert_eq!(queue.push(frame("b", Keep::All), ROOM_FOR_TWO), Pushed::Queued);
        assert_eq!(queue.push(frame("c", Keep::All), ROOM_FOR_TWO), Pushed::Slow);
        assert_eq!((queue.bytes(), queue.has_ended()), (0, true), "nothing is kept for it");
        assert_eq!(queue.push(frame("d", Keep::All), ROOM_FOR_TWO), Pushed::Over);
    }

    #[test]
    fn what_nobody_keeps_gives_way_oldest_first() {
        let queue = Queue::default();
        queue.push(frame("a", Keep::Some), ROOM_FOR_TWO);
        queue.push(frame("b", Keep::All), ROOM_FOR_TWO);
        assert_eq!(queue.push(frame("c", Keep::All), ROOM_FOR_TWO), Pushed::Queued);
        assert_eq!(queue.push(frame("d", Keep::Some), ROOM_FOR_TWO), Pushed::Less);
        assert_eq!(texts(&queue), ["b", "c"]);
    }

    #[test]
    fn of_a_key_only_the_latest_waits() {
        let queue = Queue::default();
        let latest = || Keep::Latest("price".into());
        queue.push(frame("1", latest()), ROOM_FOR_TWO);
        queue.push(frame("x", Keep::All), ROOM_FOR_TWO);
        assert_eq!(queue.push(frame("2", latest()), ROOM_FOR_TWO), Pushed::Less);
        assert_eq!(texts(&queue), ["2", "x"]);
    }

    #[test]
    fn many_frames_go_out_in_bounded_batches_and_the_room_is_given_back() {
        let queue = Queue::default();
        for _ in 0..100 {
            queue.push(frame("a", Keep::All), usize::MAX);
        }
        assert_eq!(
            [texts(&queue).len(), texts(&queue).len(), texts(&queue).len(), texts(&queue).len()],
            [32, 32, 32, 4]
        );
        assert_eq!((queue.bytes(), queue.waiting().frames.capacity()), (0, 0));
    }
}
