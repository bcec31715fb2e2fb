//! Sets the `cfg`s by which tests that need something of this machine are ignored.

fn main() {
    test_needs::emit();
}
