//! The responder's seat as people sit in it: the screen in a real terminal by keys alone, and the same in plain lines.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::{Place, Running, signal_pid};

/// For anything that a drill does in its own time.
const LONG: Duration = Duration::from_secs(60);

/// Longer than the playbook tolerates that steady state is lost: whoever is faster has prevented the outage.
const OUTAGE: Duration = Duration::from_secs(8);

/// A terminal of its own: a tmux server whose socket and shell live in the test's folder.
struct Terminal {
    folder: PathBuf,
}

impl Terminal {
    fn open(place: &Place, columns: u16, rows: u16) -> Self {
        let terminal = Self { folder: place.path().to_owned() };
        let mut command = terminal.command();
        command
            .args(["new-session", "-d", "-x", &columns.to_string(), "-y", &rows.to_string()])
            .args(["bash", "--noprofile", "--norc"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("PS1", "shell> ")
            .env("TERM", "xterm-256color")
            .env("TMUX_TMPDIR", place.path())
            .env("TMPDIR", place.tmp())
            .env("DEADSTICK", env!("CARGO_BIN_EXE_deadstick"))
            .env("DEADSTICK_STATE", place.state())
            .env("DEADSTICK_NAME", "tester")
            .current_dir(place.path());
        let status = command.status().expect("tmux is needed; tests/run installs it");
        assert!(status.success(), "tmux starts");
        terminal.wait_for("shell>");
        terminal
    }

    /// The socket's folder goes by the environment: a command line that named it would look like residue.
    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", "screen", "-f", "/dev/null"]).env("TMUX_TMPDIR", &self.folder).env_remove("TMUX");
        command
    }

    fn ask(&self, args: &[&str]) -> String {
        let output = self.command().args(args).stderr(Stdio::inherit()).output().expect("tmux is there");
        assert!(output.status.success(), "tmux {args:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Presses keys by their tmux names.
    fn press(&self, keys: &[&str]) {
        self.ask(&[&["send-keys", "--"], keys].concat());
    }

    /// Types a text as it is, and Enter.
    fn enter(&self, text: &str) {
        self.ask(&["send-keys", "-l", "--", text]);
        self.press(&["Enter"]);
    }

    fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// The screen with everything that has scrolled off it, lines joined that were broken at the edge.
    fn scrolled(&self) -> String {
        self.ask(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    fn variable(&self, name: &str) -> String {
        self.ask(&["display-message", "-p", &format!("#{{{name}}}")]).trim().to_owned()
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text))
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(began.elapsed() < LONG, "no {what} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.ask(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The pid of what the shell runs.
    fn child(&self) -> u32 {
        let shell = self.variable("pane_pid");
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.expect("the shell is there");
        children.split_whitespace().next().expect("it runs something").parse().expect("a pid")
    }

    /// Ends with the shell's prompt back, and says how the command ended.
    fn ended(&self) -> String {
        self.wait_until("exit=", |screen| screen.lines().any(|line| line.starts_with("exit=")));
        let all = self.scrolled();
        all.lines().find(|line| line.starts_with("exit=")).expect("it was seen").to_owned()
    }

    /// Asserts that the terminal is as a shell wants it.
    fn is_sane(&self) {
        assert_eq!(self.variable("alternate_on"), "0");
        assert_eq!(self.variable("cursor_flag"), "1", "the cursor is visible");
        self.enter("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig|icrnl)' | tr '\\n' '+'");
        self.wait_until("sane settings", |screen| {
            ["isig", "icanon", "echo", "icrnl"]
                .iter()
                .all(|word| screen.lines().any(|line| line.split('+').any(|setting| setting == *word)))
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whatever it still runs is told by the hang-up; a server that is gone is what is wanted.
        drop(self.command().arg("kill-server").stderr(Stdio::null()).status());
    }
}

const DRILL: &str = "$DEADSTICK drill; echo exit=$?";

fn drill_with_alert(place: &Place, columns: u16, rows: u16) -> Terminal {
    let terminal = Terminal::open(place, columns, rows);
    terminal.enter(DRILL);
    terminal.wait_for("NOTHING ANSWERS");
    terminal
}

/// The number that follows a text.
fn number_after(screen: &str, text: &str) -> String {
    let (_, rest) = screen.rsplit_once(text).unwrap_or_else(|| panic!("no {text:?} in\n{screen}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

fn markdown(place: &Place) -> String {
    place.run(&["timeline", "export", "--format", "markdown"]).out
}

/// Issue 2's main job: the first lesson, in a terminal, by keys only, to a timeline that can be pasted.
#[test]
fn the_first_lesson_by_keys_alone() {
    let place = Place::new();
    let terminal = Terminal::open(&place, 110, 34);
    terminal.enter(DRILL);
    terminal.wait_for("An alert has come in. Press a to take control");
    std::thread::sleep(OUTAGE);
    assert!(!terminal.screen().contains("hole"), "nobody is told what was staged:\n{}", terminal.screen());
    terminal.press(&["a"]);
    terminal.wait_for("control: tester (you)");
    terminal.press(&["Enter"]);
    terminal.wait_for("press Enter and give");
    terminal.press(&["Enter"]);
    terminal.wait_for("Happened earlier?");
    terminal.enter("4");
    terminal.wait_for("4 (tester");

    terminal.press(&["r"]);
    terminal.wait_for("Run: deadstick lab status?");
    terminal.press(&["y"]);
    let status = terminal.wait_for("STOPPED");
    let holder = number_after(&status, "host job pid ");
    terminal.wait_for("sensed: no");
    terminal.press(&["Enter"]);
    terminal.wait_for("pid of the process that holds");
    terminal.enter(&holder);
    terminal.wait_for("$ deadstick lab end job");

    terminal.press(&["r"]);
    terminal.wait_for("Run: deadstick lab end job?");
    terminal.press(&["y"]);
    terminal.wait_for("has ended");
    // Nobody touches this line: its probe turns it.
    terminal.wait_for("sensed true: 200");
    terminal.press(&["Enter"]);
    terminal.wait_for("Left for later. Enter says it is done now");
    terminal.press(&["d"]);
    terminal.wait_for("Needed no more, because");
    terminal.enter("A practice shop");
    terminal.wait_for("[complete]");

    terminal.press(&["x"]);
    terminal.wait_for("how did it end");
    terminal.enter("The stuck report was ended");
    terminal.wait_for("Close the incident: The stuck report was ended?");
    assert!(!terminal.screen().contains("CLOSED"), "one press closes nothing");
    terminal.press(&["y"]);
    let over = terminal.wait_for("The drill is over: outage");
    assert!(over.contains("CLOSED"), "{over}");
    terminal.wait_for("judged the drill: outage");
    terminal.press(&["q"]);
    terminal.wait_for("Leave");
    terminal.press(&["y"]);
    assert_eq!(terminal.ended(), "exit=0");
    let printed = terminal.scrolled();
    for piece in ["DEBRIEF OF DRILL", "right target named, by tester", "acted on the right target, by tester"]
    {
        assert!(printed.contains(piece), "{piece:?} in\n{printed}");
    }
    terminal.is_sane();
    assert_eq!(place.residue(), Vec::<String>::new());

    let page = markdown(&place);
    for piece in [
        "# One stuck report takes the whole shop down\n".to_owned(),
        "| Kind | exercise, playbook first-lesson |".to_owned(),
        "| Steady state lost | catalogue, ".to_owned(),
        "| Verdict | outage |".to_owned(),
        "All times are UTC.".to_owned(),
        "| **opened the hole in hang (active failure): The report hangs in the middle of its run** |"
            .to_owned(),
        "| deadstick | **began a fault on job: pause the process, for at most ".to_owned(),
        format!("| deadstick | saw the fault pause on job take effect: process {holder} is stopped"),
        "**raised the warning first-lesson: SHOP: NOTHING ANSWERS".to_owned(),
        "| tester | took control |".to_owned(),
        format!("| tester | confirmed *Find the lock holder's process*: PID NAMED ({holder}) |"),
        "| tester | ran deadstick lab end job (exit 0): the process on host job has ended |".to_owned(),
        "| deadstick | sensed *The catalogue answers*: true (answered 200 OK) |".to_owned(),
        "**saw steady state back at catalogue after ".to_owned(),
        "| tester | **closed the incident: The stuck report was ended** |".to_owned(),
        "| deadstick | **took the fault pause on job out".to_owned(),
        "| deadstick | **judged the drill: outage".to_owned(),
    ] {
        assert!(page.contains(&piece), "{piece:?} in\n{page}");
    }
}

#[test]
fn small_screens_show_what_is_next_and_take_keys() {
    let place = Place::new();
    let terminal = drill_with_alert(&place, 40, 10);
    terminal.press(&["a"]);
    terminal.wait_for("An alert has come in. Press Enter to");
    terminal.press(&["Enter"]);
    terminal.wait_for("[ ]  1 Look at the");
    terminal.press(&["Enter"]);
    terminal.enter("4");
    terminal.wait_for("[ ]  2 Find the");
    terminal.press(&["Tab"]);
    terminal.wait_for("tester confirmed");
    terminal.press(&["S-Tab"]);

    terminal.resize(15, 3);
    terminal.wait_until("the current item in one line", |screen| {
        screen.lines().any(|line| line.starts_with("[ ] Find the"))
    });
    for key in ["?", "Escape", "r", "Escape", "/", "Escape", "Down", "Up", "PageDown", "Home", "c", "Escape"]
    {
        terminal.press(&[key]);
    }
    for (columns, rows) in [(1, 1), (2, 40), (300, 1), (60, 16), (80, 24)] {
        terminal.resize(columns, rows);
    }
    terminal.wait_for("control: tester (you)");
    terminal.press(&["C-c"]);
    terminal.wait_for("Leave");
    terminal.press(&["y"]);
    assert_eq!(terminal.ended(), "exit=6", "whoever leaves an open drill stops it");
    assert!(!terminal.scrolled().contains("panicked"), "{}", terminal.scrolled());
    assert_eq!(place.residue(), Vec::<String>::new());
}

#[test]
fn suspended_and_back_it_repaints() {
    let place = Place::new();
    let terminal = drill_with_alert(&place, 80, 24);
    terminal.press(&["a"]);
    terminal.wait_for("control: tester (you)");
    terminal.press(&["C-z"]);
    terminal.wait_for("Stopped");
    terminal.is_sane();
    terminal.enter("clear; fg");
    terminal.wait_for("control: tester (you)");
    terminal.press(&["Enter"]);
    terminal.wait_for("Look at the health page");
    signal_pid(terminal.child(), Signal::SIGTERM);
    terminal.wait_for("shell>");
    assert_eq!(place.residue_after(LONG), Vec::<String>::new());
}

#[test]
fn told_to_end_it_gives_the_terminal_back_and_undoes_everything() {
    let place = Place::new();
    let terminal = drill_with_alert(&place, 80, 24);
    terminal.press(&["i"]);
    signal_pid(terminal.child(), Signal::SIGTERM);
    assert_eq!(terminal.ended(), "exit=6");
    terminal.is_sane();
    assert_eq!(place.residue(), Vec::<String>::new());
    assert_eq!(place.run(&["faults", "--json"]).json(), serde_json::json!([]));
}

/// A conversation in lines.
struct Talk {
    running: Running,
    input: ChildStdin,
}

impl Talk {
    fn begin(place: &Place, name: &str, args: &[&str]) -> Self {
        let (running, input) = place.talk(name, args);
        Self { running, input }
    }

    fn hears(&mut self, text: &str) {
        self.running.wait_for(text, LONG);
    }

    fn says(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it listens");
    }
}

#[test]
fn plain_lines_work_the_same_lesson() {
    let place = Place::new();
    let mut talk = Talk::begin(&place, "tester", &["drill", "--plain"]);
    talk.hears("An alert has come in");
    std::thread::sleep(OUTAGE);
    talk.says("assume");
    talk.hears("tester took control");
    talk.says("open first-lesson");
    talk.says("confirm 1 4");
    talk.hears("tester confirmed Look at the health page: BUSY WORKERS COUNTED (4)");
    talk.says("run 2");
    talk.says("yes");
    talk.hears("STOPPED");
    let holder = number_after(&talk.running.printed(), "host job      pid ");
    talk.says(&format!("confirm 2 {holder}"));
    talk.hears("sensed Is the holder making progress?: no");
    talk.says("run 7");
    talk.says("yes");
    talk.hears("the process on host job has ended");
    talk.says("7");
    talk.hears("sensed The catalogue answers: true");
    talk.hears("completed checklist first-lesson except for deferred items");
    talk.says("cancel-deferral 9 A practice shop");
    talk.hears("called off the deferral");
    talk.says("close The stuck report was ended");
    talk.says("yes");
    talk.hears("The drill is over: outage");
    talk.says("quit");
    assert_eq!(talk.running.wait(), Some(0), "{}", talk.running.printed());
    assert!(talk.running.printed().contains("DEBRIEF OF DRILL"), "{}", talk.running.printed());
    assert_eq!(place.residue(), Vec::<String>::new());
    let page = markdown(&place);
    assert!(page.contains(&format!("PID NAMED ({holder})")), "{page}");
}

#[test]
fn a_second_responder_joins_the_running_drill_and_acts() {
    let place = Place::new();
    let mut first = Talk::begin(&place, "ana", &["drill", "--plain"]);
    first.hears("An alert has come in");
    let mut second = Talk::begin(&place, "bob", &["respond", "--plain"]);
    second.hears("An alert has come in");
    second.says("assume");
    first.hears("bob took control");
    second.says("open first-lesson");
    first.hears("bob opened checklist first-lesson");
    second.says("run 2");
    second.says("yes");
    second.hears("STOPPED");
    second.says("offer ana You know this shop");
    first.hears("bob offered control to ana");
    first.says("accept");
    second.hears("ana answered bob");
    second.says("transfer");
    first.hears("bob handed control to ana");
    second.says("quit");
    assert_eq!(second.running.wait(), Some(0), "{}", second.running.printed());
    first.running.signal(Signal::SIGTERM);
    assert_eq!(first.running.wait(), Some(6), "{}", first.running.printed());
    assert_eq!(place.residue(), Vec::<String>::new());
}
