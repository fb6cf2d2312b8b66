"""Training of the `tiny` preset on procedural objects, and the evaluation that judges any preset."""
