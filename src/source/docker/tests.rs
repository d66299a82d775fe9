//! Polls of recorded replies: quirks one by one, and whole visits against a canned server.

mod real;
