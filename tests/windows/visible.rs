//! What others on the machine see of the program.

use pfxvault::platform::event::Event;
use pfxvault::platform::system;
use pfxvault::platform::windows::eventlog;

#[test]
fn an_event_is_written() {
    eventlog::report(
        Event::KeyExported,
        "Administrator exported www.example.com (鍵)",
    )
    .unwrap();
}

#[test]
fn redirected_input_is_nobody_to_ask() {
    // The test runner's input is no console, on every system that runs this.
    assert!(!system::is_interactive());
}

#[test]
fn the_machine_has_a_name_and_the_process_keeps_its_memory_to_itself() {
    system::harden_process();
    assert!(!system::host_name().is_empty());
}
