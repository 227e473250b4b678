//! Work cut into runs of whole items, one thread each. Results never depend on how many there are.

use std::ops::Range;

/// The ranges into which `items` are cut: at most `threads`, none empty.
pub fn shares(items: usize, threads: usize) -> Vec<Range<usize>> {
    let count = threads.clamp(1, items.max(1));
    (0..count).map(|i| items * i / count..items * (i + 1) / count).collect()
}

/// Takes the first `length` items off the front of `rest`.
pub fn take<'a, T>(rest: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(length);
    *rest = tail;
    head
}

/// Calls `each` for runs of `into` that hold whole items of `width`, with the index of the first item.
pub fn split_items<T: Send>(into: &mut [T], width: usize, threads: usize, each: impl Fn(usize, &mut [T]) + Sync) {
    if width == 0 || into.is_empty() {
        return;
    }
    let mut shares = shares(into.len() / width, threads);
    // too little to be worth a thread
    if into.len() < 1 << 15 || shares.len() == 1 {
        shares.truncate(0);
        return each(0, into);
    }
    let mut rest = into;
    std::thread::scope(|scope| {
        for share in shares {
            let part = take(&mut rest, share.len() * width);
            let each = &each;
            scope.spawn(move || each(share.start, part));
        }
    });
}
