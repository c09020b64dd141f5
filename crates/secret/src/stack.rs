//! What functions that have returned left on the stack: primes, seeds, passwords in their frames.

use std::hint::black_box;

const PAGE: usize = 4096;
/// Half a megabyte: deeper than anything here calls, and half of the smallest stack that Windows
/// gives a program.
const PAGES: usize = 128;

/// Overwrites what lies below the caller's frame on the stack of this thread.
#[inline(never)]
pub fn wipe() {
    wipe_pages(PAGES);
}

#[inline(never)]
fn wipe_pages(left: usize) {
    let mut page = [0_u8; PAGE];
    black_box(&mut page);
    if left > 1 {
        wipe_pages(left - 1);
    }
    // After the call, so that it is one and no jump that takes the same page again.
    black_box(&mut page);
}
