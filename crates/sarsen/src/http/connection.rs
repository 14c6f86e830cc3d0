//! What one connection does, seen from outside: its progress, and the order to finish or to be cut.

use super::body::Alarm;
use crate::clock;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Serve.
    Serve,
    /// Finish the requests at work, and begin no other.
    Finish,
    /// End at once.
    Cut,
}

/// The counters of one connection. Each is written by its own task and only looked at by the watch.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    at_work: AtomicUsize,
    written: AtomicU64,
    order: AtomicU8,
    seen: AtomicU64,
    quiet: AtomicU32,
    waker: OnceLock<Waker>,
}

impl Activity {
    /// A request begins; it is at work until what is returned is dropped.
    pub(super) fn begin(this: &Arc<Self>) -> Busy {
        this.begun.fetch_add(1, Ordering::Relaxed);
        this.at_work.fetch_add(1, Ordering::Relaxed);
        Busy(this.clone())
    }

    /// Keeps the waker of the connection's task, which is the same all its life.
    #[inline]
    pub(super) fn remember(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    #[inline]
    pub(super) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    pub(super) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::Release);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// How many looks in a row have seen no progress.
    pub(super) fn look(&self) -> u32 {
        let progress = self.begun.load(Ordering::Relaxed).wrapping_add(self.written.load(Ordering::Relaxed));
        let moved = self.seen.swap(progress, Ordering::Relaxed) != progress;
        if moved || self.at_work.load(Ordering::Relaxed) > 0 {
            self.quiet.store(0, Ordering::Relaxed);
            return 0;
        }
        self.quiet.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A request at work, until dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long, and how much, a closing connection still reads: a client that sends a body which was refused would
/// otherwise be reset before it has read why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// The socket as hyper uses it, with its progress counted.
#[derive(Debug)]
pub(super) struct Socket {
    inner: TokioIo<TcpStream>,
    activity: Arc<Activity>,
    closing: Option<(Alarm, usize)>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { inner: TokioIo::new(stream), activity, closing: None }
    }

    fn count(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.activity.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl Read for Socket {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for Socket {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, buffer);
        self.count(written)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
        }
        let (alarm, read) = this.closing.get_or_insert_with(|| (Alarm::default(), 0));
        let mut space = [0; 4096];
        while *read < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(this.inner.inner_mut()).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => *read += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return alarm.poll(context, || clock::pause(LINGER)).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}
