//! Whether a log that follows its end goes on doing so: only its reader makes it let go.

/// So near to its end, in pixels, a reader who comes down counts as being there.
const NEAR: i32 = 48;

/// Where a log stands, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// How much of the content is above the window.
    pub top: i32,
    /// The content.
    pub height: i32,
    /// The window that shows a part of it.
    pub window: i32,
}

impl Place {
    /// Whether the log sticks to its end, now that it has moved here from `before`. Content that grows or shrinks moves it too:
    /// only a way up past content that has stayed as it was is the reader's.
    pub const fn sticks(self, before: Self, stuck: bool) -> bool {
        let left = self.height - self.window - self.top;
        let up = self.top < before.top;
        let changed = self.height != before.height || self.window != before.window;
        if left <= 0 || (left <= NEAR && !up) {
            true
        } else {
            stuck && (changed || !up || left <= NEAR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(top: i32, height: i32) -> Place {
        let window = 500;
        Place {
            top,
            height,
            window,
        }
    }

    #[test]
    fn what_grows_or_shrinks_does_not_make_it_let_go() {
        let end = at(500, 1000);
        assert!(at(500, 1400).sticks(end, true), "a card has opened");
        assert!(
            at(430, 1400).sticks(end, true),
            "one part went, a larger one came"
        );
        assert!(at(300, 800).sticks(end, true), "a part went");
        let window = 300;
        assert!(
            Place { window, ..end }.sticks(end, true),
            "the window is lower"
        );
    }

    #[test]
    fn its_reader_makes_it_let_go_and_brings_it_back() {
        let end = at(500, 1000);
        assert!(!at(400, 1000).sticks(end, true));
        assert!(!at(300, 1000).sticks(at(400, 1000), false));
        assert!(!at(400, 1000).sticks(at(300, 1000), false), "on the way");
        assert!(at(460, 1000).sticks(at(400, 1000), false), "near the end");
        assert!(at(500, 1000).sticks(at(400, 1000), false));
    }

    #[test]
    fn who_turns_the_wheel_at_the_end_is_not_held_there() {
        assert!(!at(480, 1000).sticks(at(500, 1000), false));
        assert!(at(480, 1000).sticks(at(500, 1000), true));
    }
}
