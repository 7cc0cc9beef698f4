//! What the whole room answers: real photographs, when they are there.

mod photographs;
