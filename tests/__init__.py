"""Tests of labhelpers: they mirror its modules, and each name is a rule."""
