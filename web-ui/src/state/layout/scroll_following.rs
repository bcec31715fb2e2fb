//! Whether a log goes on following its end. Only its reader's scrolling ends that.

/// A reader who scrolls down to this distance from the end, in pixels, counts as being at the end.
const NEAR_END: i32 = 48;

/// The scroll position of a log, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrollPosition {
    /// The height of the content above the window.
    pub top: i32,
    /// The height of the content.
    pub height: i32,
    /// The height of the window that shows a part of it.
    pub window: i32,
}

impl ScrollPosition {
    /// Whether the log follows its end after it has moved here from `before`. Content that grows or
    /// shrinks moves it as well: only a movement up over unchanged content is the reader's.
    pub const fn follows(self, before: Self, followed: bool) -> bool {
        let left = self.height - self.window - self.top;
        let up = self.top < before.top;
        let changed = self.height != before.height || self.window != before.window;
        if left <= 0 || (left <= NEAR_END && !up) {
            true
        } else {
            followed && (changed || !up || left <= NEAR_END)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(top: i32, height: i32) -> ScrollPosition {
        let window = 500;
        ScrollPosition {
            top,
            height,
            window,
        }
    }

    #[test]
    fn content_that_grows_or_shrinks_does_not_end_following() {
        let end = at(500, 1000);
        assert!(at(500, 1400).follows(end, true), "a card has opened");
        assert!(
            at(430, 1400).follows(end, true),
            "one part went, a larger one came"
        );
        assert!(at(300, 800).follows(end, true), "a part went");
        let window = 300;
        assert!(
            ScrollPosition { window, ..end }.follows(end, true),
            "the window is lower"
        );
    }

    #[test]
    fn scrolling_ends_following_and_resumes_it() {
        let end = at(500, 1000);
        assert!(!at(400, 1000).follows(end, true));
        assert!(!at(300, 1000).follows(at(400, 1000), false));
        assert!(!at(400, 1000).follows(at(300, 1000), false), "on the way");
        assert!(at(460, 1000).follows(at(400, 1000), false), "near the end");
        assert!(at(500, 1000).follows(at(400, 1000), false));
    }

    #[test]
    fn who_turns_the_wheel_at_the_end_is_not_held_there() {
        assert!(!at(480, 1000).follows(at(500, 1000), false));
        assert!(at(480, 1000).follows(at(500, 1000), true));
    }
}
