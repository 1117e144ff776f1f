//! What servers ask, at a terminal and without one.

use crate::scene::{Seat, janua, scripted};

const ERAS: [&str; 2] = ["everything", "everything --era modern"];

#[tokio::test]
async fn a_form_is_filled_in_at_the_terminal() {
    for era in ERAS {
        let mut seat = Seat::new(&["call", "test_elicitation", "message=who are you"], &scripted(era));
        seat.sees("everything asks: who are you").await;
        seat.sees("email: Mail address of the user (text; required; empty declines)").await;
        seat.types("ann@example.com\n");
        seat.sees("username: Name of the user").await;
        seat.types("ann\n");
        let done = seat.leaves().await.done();
        assert!(done.contains("action=accept"), "{done}");
        assert!(done.contains("\"username\":\"ann\"") && done.contains("ann@example.com"), "{done}");
    }
}

#[tokio::test]
async fn what_is_invalid_is_asked_again_and_what_has_a_default_needs_no_answer() {
    let mut seat = Seat::new(&["call", "test_elicitation_sep1330_enums"], &scripted("everything"));
    seat.sees("legacyEnum: ").await;
    seat.types("\n");
    seat.sees("titledMulti: ").await;
    seat.types("\n");
    seat.sees("titledSingle: ").await;
    seat.sees("1) value1  First Option").await;
    seat.types("third option\n");
    seat.sees("untitledMulti: ").await;
    seat.types("option1, 3\n");
    seat.sees("untitledSingle: ").await;
    seat.types("option9\n");
    seat.sees("must be one of option1, option2, option3; try again").await;
    seat.types("2\n");
    let done = seat.leaves().await.done();
    for part in
        ["\"untitledSingle\":\"option2\"", "\"titledSingle\":\"value3\"", "\"untitledMulti\":[\"option1\",\"option3\"]"]
    {
        assert!(done.contains(part), "{done}");
    }
    assert!(!done.contains("legacyEnum") && !done.contains("titledMulti\":[\"value"), "{done}");
}

#[tokio::test]
async fn the_end_of_the_input_declines() {
    for era in ERAS {
        let mut seat = Seat::new(&["call", "test_elicitation", "message=who"], &scripted(era));
        seat.sees("email: ").await;
        seat.types("\u{4}");
        assert!(seat.leaves().await.done().contains("action=decline"));
    }
}

#[tokio::test]
async fn an_address_is_shown_and_never_opened() {
    for (typed, wanted) in [("yes\n", "visited: accept\n"), ("\n", "visited: decline\n")] {
        let mut seat = Seat::new(&["call", "visit"], &scripted("everything"));
        seat.sees("It wants you to visit example.com:").await;
        seat.sees("https://example.com/sign-in?x=1&y=%20").await;
        seat.sees("Go on?").await;
        seat.types(typed);
        assert_eq!(seat.leaves().await.done(), wanted);
    }
    let refused = janua(&["call", "gated"], &scripted("everything")).await.failed(1);
    assert!(refused.contains("visit https://example.com/in if you trust it"), "{refused}");
}

#[tokio::test]
async fn where_nobody_is_there_the_answer_is_no_unless_it_was_given_before() {
    for era in ERAS {
        let server = scripted(era);
        let declined = janua(&["call", "test_elicitation", "message=who"], &server).await;
        assert!(declined.stderr.contains("asked: who\ndeclined: nobody can be asked here"), "{}", declined.stderr);
        assert!(declined.done().contains("action=decline"));
        let words = ["call", "test_elicitation", "message=who", "--answer", "username=ann", "--answer", "email=a@b.c"];
        assert!(janua(&words, &server).await.done().contains("\"username\":\"ann\""));
        let half = janua(&words[..5], &server).await;
        assert!(half.stderr.contains("declined: there is no answer for email"), "{}", half.stderr);
    }
    let seat = Seat::new(&["call", "test_elicitation", "message=who", "--no-input"], &scripted("everything"));
    assert!(seat.leaves().await.done().contains("action=decline"));
}

#[tokio::test]
async fn progress_is_a_line_that_comes_and_goes_on_a_terminal() {
    let seat = Seat::new(&["call", "test_tool_with_progress"], &scripted("everything"));
    seat.sees("[############------------] 50 %").await;
    let ended = seat.leaves().await;
    assert!(ended.stderr.ends_with("\r\u{1b}[K"), "{:?}", ended.stderr);
    assert_eq!(ended.done(), "Reported three times.\n");
}

#[tokio::test]
async fn roots_are_shown_if_they_are_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("text");
    let call = |roots: &[&str]| {
        let words = [&["call", "test_input_required_result_list_roots"], roots].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            janua(&words, &scripted("everything --era modern")).await
        }
    };
    let shown = call(&["--root", folder, "--json"]).await.done();
    assert!(shown.contains(folder), "{shown}");
    let none = call(&["--json"]).await;
    assert!(!none.stdout.contains(folder));
}
