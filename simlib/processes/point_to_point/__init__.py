"""Producers, one queue and its consumers, in memory or on a disk, whole or crashing."""
