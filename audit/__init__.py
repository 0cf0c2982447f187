"""evenhand: measure whether a shop's LLM treats people evenly, and mend it."""
