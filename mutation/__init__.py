"""Tests of the tests: what decides is changed in one place at a time, and a test has to notice."""
