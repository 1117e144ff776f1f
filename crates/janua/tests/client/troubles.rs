//! Servers that crash, hang and flood, and people who have had enough.

use janua_testkit::process::eventually;

use crate::scene::{LONG, Seat, command, interrupt, janua, scripted};

#[tokio::test]
async fn a_crash_in_mid_call_is_told_with_the_last_words() {
    let crashed = janua(&["call", "act"], &scripted("hostile crash")).await.failed(1);
    assert!(crashed.contains("exited with code 3") && crashed.contains("culprit server"), "{crashed}");
    assert!(crashed.contains("may have had an effect"), "{crashed}");
    let refused = janua(&["call", "act"], &scripted("hostile exit-at-start 7 out-of-luck")).await.failed(1);
    assert!(refused.contains("out-of-luck") && refused.contains("by hand"), "{refused}");
    let nothing = janua(&["call", "act"], &["/no/such/program".to_owned()]).await.failed(1);
    assert!(nothing.contains("no such file"), "{nothing}");
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up() {
    for mode in ["swallow", "progress-forever", "stop"] {
        let late = janua(&["call", "act", "--timeout", "2s"], &scripted(&format!("hostile {mode}"))).await.failed(1);
        assert!(late.contains("no answer") && late.contains("--timeout gives it longer"), "{mode}: {late}");
    }
    let silent = janua(&["call", "act", "--timeout", "2s"], &scripted("hostile never-initialize")).await.failed(1);
    assert!(silent.contains("code -32603"), "{silent}");
}

#[tokio::test]
async fn endless_output_has_an_end() {
    let endless = janua(&["call", "act"], &scripted("hostile endless-line head 0")).await.failed(1);
    assert!(endless.contains("larger than") || endless.contains("limit"), "{endless}");
    let flooded =
        janua(&["call", "act", "--server-log", "off"], &scripted("hostile notification-flood 20000000")).await;
    assert_eq!(flooded.code, Some(0));
    let noisy = janua(&["call", "echo", "text=heard"], &scripted("hostile stderr-endless")).await;
    assert_eq!(noisy.done(), "heard\n");
}

#[tokio::test]
async fn ctrl_c_cancels_the_call_at_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    for era in ["legacy", "modern"] {
        let journal = folder.path().join(era);
        // Keeps what was said to the server, however soon that ends.
        let line = format!("tee '{}' | '{}' --era {era}", journal.display(), scripted("everything")[0]);
        let server = ["sh", "-c", &line].map(str::to_owned);
        let noted = |text: &str| std::fs::read_to_string(&journal).is_ok_and(|all| all.contains(text));
        let mut command = command(&["call", "slow_compute", "seconds=300"], &server);
        let child = command.stderr(std::process::Stdio::piped()).spawn().expect("it runs");
        assert!(eventually(LONG, || noted("tools/call")).await);
        interrupt(&child);
        let output = tokio::time::timeout(LONG, child.wait_with_output()).await.expect("it ends").expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cancelled"));
        assert!(noted("notifications/cancelled"), "{era}");
    }
}

#[tokio::test]
async fn a_question_can_be_left_with_ctrl_c() {
    let seat = Seat::new(&["call", "test_elicitation", "message=who"], &scripted("everything"));
    seat.sees("email: ").await;
    seat.interrupts();
    let ended = seat.leaves().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("cancelled"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_slow_start_is_told_at_a_terminal() {
    let seat = Seat::new(&["call", "echo", "text=late"], &scripted("hostile slow-start 2"));
    seat.sees("starting hostile …").await;
    assert_eq!(seat.leaves().await.done(), "late\n");
}

#[tokio::test]
async fn a_wrong_line_is_told_as_that() {
    for (words, wanted) in [
        (&["call"][..], "no tool is named"),
        (&["call", "x=1"], "no tool is named"),
        (&["call", "one", "two"], "several tools"),
        (&["call", "a.b", "--url", "ftp://x"], "only servers at http://"),
        (&["read"], "required"),
        (&["call", "a.b", "-c", "/no/such/file.yaml"], "cannot be read"),
    ] {
        let ended = janua(words, &[]).await;
        assert!(ended.code != Some(0) && ended.stderr.contains(wanted), "{words:?}: {}", ended.stderr);
    }
}
