"""The mitigation side: DP fine-tuning, counterfactual augmentation, decision rules, prompts, and what each costs."""
