"""Widgets that show a lab at work; each is a pure `build_...`, a thin class, and a .js and a .css file of its own."""
