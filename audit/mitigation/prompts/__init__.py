"""System prompts as a mitigation: named ones in each locale's own words, or a text file of a user's own."""

from audit.mitigation.prompts.prompts import Prompt, load_prompt, shipped_prompts, short_name

__all__ = ["Prompt", "load_prompt", "shipped_prompts", "short_name"]
