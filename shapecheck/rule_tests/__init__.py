"""What has to hold of every rule, case and fix of a rule file, ours and anyone's. Imports torch.

Runs the losses of the user and the code of explanations, so only in the worker or in a test of our own. No case states
what holds for all: it is checked for each.
"""
