//! Whether all of an element is visible on the screen.

use super::area::ScreenArea;

/// Browsers round: a difference of so many pixels does not count.
const ROUNDING: f64 = 1.0;

/// Whether an area is not empty and lies within all frames that clip it.
pub fn is_unclipped(area: ScreenArea, frames: &[ScreenArea]) -> bool {
    let within = |frame: &ScreenArea| {
        area.left >= frame.left - ROUNDING
            && area.top >= frame.top - ROUNDING
            && area.left + area.width <= frame.left + frame.width + ROUNDING
            && area.top + area.height <= frame.top + frame.height + ROUNDING
    };
    area.width > 0.0 && area.height > 0.0 && frames.iter().all(within)
}

/// Points at which to check whether another element covers the area: near its corners, and in its
/// middle.
pub fn sample_points(area: ScreenArea) -> [(f64, f64); 5] {
    let inset = |size: f64| (size / 2.0).min(3.0);
    let (left, right) = (
        area.left + inset(area.width),
        area.left + area.width - inset(area.width),
    );
    let (top, bottom) = (
        area.top + inset(area.height),
        area.top + area.height - inset(area.height),
    );
    let middle = (area.left + area.width / 2.0, area.top + area.height / 2.0);
    [
        (left, top),
        (right, top),
        (left, bottom),
        (right, bottom),
        middle,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn area(left: f64, top: f64, width: f64, height: f64) -> ScreenArea {
        ScreenArea {
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn what_is_cut_at_any_edge_of_any_frame_is_not_shown_whole() {
        let (window, log) = (
            area(0.0, 0.0, 400.0, 800.0),
            area(20.0, 100.0, 360.0, 500.0),
        );
        let shown = |area| is_unclipped(area, &[window, log]);
        assert!(shown(area(20.0, 100.0, 360.0, 500.4)));
        assert!(!shown(area(20.0, 90.0, 360.0, 100.0)), "above the log");
        assert!(!shown(area(20.0, 550.0, 360.0, 100.0)), "below the log");
        assert!(!shown(area(20.0, 200.0, 380.0, 100.0)), "beside the window");
        assert!(!shown(area(30.0, 200.0, 0.0, 0.0)), "hidden");
    }

    #[test]
    fn it_is_looked_at_inside_its_edges_however_small_it_is() {
        for one in [area(10.0, 20.0, 100.0, 40.0), area(10.0, 20.0, 1.0, 2.0)] {
            for (x, y) in sample_points(one) {
                assert!(x > one.left && x < one.left + one.width, "{x}");
                assert!(y > one.top && y < one.top + one.height, "{y}");
            }
        }
    }
}
