"""The text of one program, to copy or to hand to another command."""
