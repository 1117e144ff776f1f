//! The binary of the scripted server `probe`; see `janua_testkit::servers::probe`.

fn main() {
    janua_testkit::servers::probe::run(std::env::args().skip(1).collect());
}
