"""Evaluation: judged collections, rankings through the real engine, measures, comparisons."""
