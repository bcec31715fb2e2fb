//! Whether something lies on the screen as a whole.

pub use super::lane::Area;

/// Browsers round; so many pixels are not missed.
const ROUNDED: f64 = 1.0;

/// Whether an area has a size and lies within every frame that clips it.
pub fn shows_all(area: Area, frames: &[Area]) -> bool {
    let within = |frame: &Area| {
        area.left >= frame.left - ROUNDED
            && area.top >= frame.top - ROUNDED
            && area.left + area.width <= frame.left + frame.width + ROUNDED
            && area.top + area.height <= frame.top + frame.height + ROUNDED
    };
    area.width > 0.0 && area.height > 0.0 && frames.iter().all(within)
}

/// Points of an area at which to look whether something else lies over it: near its corners, and in its middle.
pub fn probes(area: Area) -> [(f64, f64); 5] {
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

    const fn area(left: f64, top: f64, width: f64, height: f64) -> Area {
        Area {
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
        let shown = |area| shows_all(area, &[window, log]);
        assert!(shown(area(20.0, 100.0, 360.0, 500.4)));
        assert!(!shown(area(20.0, 90.0, 360.0, 100.0)), "above the log");
        assert!(!shown(area(20.0, 550.0, 360.0, 100.0)), "below the log");
        assert!(!shown(area(20.0, 200.0, 380.0, 100.0)), "beside the window");
        assert!(!shown(area(30.0, 200.0, 0.0, 0.0)), "hidden");
    }

    #[test]
    fn it_is_looked_at_inside_its_edges_however_small_it_is() {
        for one in [area(10.0, 20.0, 100.0, 40.0), area(10.0, 20.0, 1.0, 2.0)] {
            for (x, y) in probes(one) {
                assert!(x > one.left && x < one.left + one.width, "{x}");
                assert!(y > one.top && y < one.top + one.height, "{y}");
            }
        }
    }
}
