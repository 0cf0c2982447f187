"""What is asked, and of whom: suites, personas, and their expansion into probes."""

from audit.probes.expand import expand
from audit.probes.personas import design_warnings, load_personas, references
from audit.probes.suite import Suite, load_suites, suite_warnings

__all__ = ["Suite", "design_warnings", "expand", "load_personas", "load_suites", "references", "suite_warnings"]
