//! The waits of one Operation that are open at a time, and how they share its idle time.
//!
//! A virtual clock stands still while the Operation is polled, and goes slower the more waits are open: by `dt / K`. What a wait
//! has of the idle time is where that clock was at its end, less where it was at its beginning. So no wait reads a clock, opening
//! and closing take the same time however many there are, and the shares add up to the idle time.

use super::WaitKind;
use super::account::KINDS;

/// No wait.
pub(super) const NONE: u32 = u32::MAX;

/// The open waits, and what is to know of those that have ended.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// The virtual clock, in nanoseconds.
    clock: f64,
    /// Idle nanoseconds so far, of the real one.
    pub(super) idle: u64,
    /// Of `idle`, with no wait open.
    pub(super) undeclared: u64,
    /// How many share the idle time: open waits with no other one inside.
    sharing: u32,
    /// Whether two ever did.
    pub(super) overlapped: bool,
    /// The wait that is polled at this moment.
    innermost: Option<u32>,
    pub(super) spans: Vec<Span>,
    /// Spans that keep no leaf and have ended: their places are used again.
    free: Vec<u32>,
    /// Shares of those that ended, by kind.
    shares: [f64; KINDS],
}

/// One wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) kind: WaitKind,
    /// The place of its leaf; [`NONE`] when it is counted only.
    pub(super) leaf: u32,
    /// The wait around it.
    pub(super) around: u32,
    /// Open waits directly inside.
    inside: u32,
    /// Where the virtual clock was when it last began to share.
    since: f64,
    pub(super) share: f64,
    /// The number of the poll in which it began.
    pub(super) poll: u64,
    /// Where the idle time was at its beginning and its end.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) open: bool,
    pub(super) cancelled: bool,
}

impl Waits {
    /// Idle time passes.
    #[inline]
    pub(super) fn pass(&mut self, idle: u64) {
        self.idle += idle;
        match self.sharing {
            0 => self.undeclared += idle,
            1 => self.clock += idle as f64,
            sharing => {
                self.clock += idle as f64 / f64::from(sharing);
                self.overlapped |= idle > 0;
            }
        }
    }

    /// A wait begins, inside the one that is polled.
    #[inline]
    pub(super) fn open(&mut self, kind: WaitKind, leaf: u32, poll: u64) -> u32 {
        let is_open = |place: &u32| self.spans.get(*place as usize).is_some_and(|span| span.open);
        let around = self.innermost.filter(is_open).unwrap_or(NONE);
        let (since, from) = (self.clock, self.idle);
        match self.spans.get_mut(around as usize) {
            // The first one inside takes over the place of the one around it.
            Some(outer) if outer.inside == 0 => {
                outer.share += since - outer.since;
                outer.inside = 1;
            }
            Some(outer) => {
                outer.inside += 1;
                self.sharing += 1;
            }
            None => self.sharing += 1,
        }
        let (to, inside, share, open, cancelled) = (from, 0, 0.0, true, false);
        let span = Span { kind, leaf, around, inside, since, share, poll, from, to, open, cancelled };
        self.place(span)
    }

    fn place(&mut self, span: Span) -> u32 {
        if span.leaf == NONE
            && let Some(place) = self.free.pop()
        {
            self.spans[place as usize] = span;
            return place;
        }
        self.spans.push(span);
        u32::try_from(self.spans.len() - 1).unwrap_or(NONE)
    }

    /// Makes `place` the wait that is polled, and gives the one before it.
    #[inline]
    pub(super) fn enter(&mut self, place: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut self.innermost, place)
    }

    /// A wait ends; a second time nothing happens. Gives its share and its leaf.
    #[inline]
    pub(super) fn close(&mut self, place: u32, cancelled: bool) -> Option<(f64, u32)> {
        let (clock, idle) = (self.clock, self.idle);
        let span = self.spans.get_mut(place as usize).filter(|span| span.open)?;
        (span.open, span.cancelled, span.to) = (false, cancelled, idle);
        let inside = span.inside;
        if inside == 0 {
            span.share += clock - span.since;
        }
        let span = *span;
        self.shares[span.kind as usize] += span.share;
        if inside > 0 {
            self.hand_on(place, span.around);
        }
        match self.spans.get_mut(span.around as usize) {
            Some(outer) => {
                outer.inside = outer.inside + inside - 1;
                if outer.inside == 0 {
                    outer.since = clock;
                } else if inside == 0 {
                    self.sharing -= 1;
                }
            }
            None if inside == 0 => self.sharing -= 1,
            None => {}
        }
        if span.leaf == NONE {
            self.free.push(place);
        }
        Some((span.share, span.leaf))
    }

    /// What is inside a wait that ends before it is from now on inside the one around that.
    #[cold]
    fn hand_on(&mut self, from: u32, to: u32) {
        self.spans.iter_mut().filter(|span| span.open && span.around == from).for_each(|span| span.around = to);
    }

    /// The places of those that are still open, the innermost first.
    pub(super) fn still_open(&self) -> Vec<u32> {
        let places = (0_u32..).zip(&self.spans).filter(|(_, span)| span.open).map(|(place, _)| place);
        let mut places: Vec<u32> = places.collect();
        places.reverse();
        places
    }

    /// The shares by kind in whole nanoseconds; together with the undeclared time they are the idle time exactly.
    pub(super) fn shares(&self) -> [u64; KINDS] {
        let mut whole = self.shares.map(|share| share.max(0.0) as u64);
        let rest = (self.idle - self.undeclared) as i64 - whole.iter().sum::<u64>() as i64;
        if rest != 0
            && let Some(most) = whole.iter_mut().max()
        {
            *most = most.saturating_add_signed(rest);
        }
        whole
    }

    /// How far the shares are from the idle time: what rounding does, and nothing else.
    #[cfg(test)]
    pub(super) fn missing(&self) -> f64 {
        ((self.idle - self.undeclared) as f64 - self.shares.iter().sum::<f64>()).abs()
    }

    /// Begins anew, with the memory it has.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.clock, self.idle, self.undeclared, self.sharing) = (0.0, 0, 0, 0);
        (self.overlapped, self.innermost) = (false, None);
        if !self.spans.is_empty() {
            self.spans.clear();
            self.free.clear();
            self.shares = [0.0; KINDS];
        }
    }
}
