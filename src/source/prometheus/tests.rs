//! Pages as they are recorded, and as nobody should write them.
