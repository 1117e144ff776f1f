//! The binary of the scripted server `everything`; see `janua_testkit::servers::everything`.

fn main() {
    janua_testkit::servers::everything::run(&std::env::args().skip(1).collect::<Vec<_>>());
}
