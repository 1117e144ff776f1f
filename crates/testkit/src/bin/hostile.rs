//! The binary of the scripted server `hostile`; see `janua_testkit::servers::hostile`.

fn main() -> std::process::ExitCode {
    janua_testkit::servers::hostile::run(std::env::args().skip(1).collect())
}
