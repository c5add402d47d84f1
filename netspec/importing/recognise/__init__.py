"""A flat program to the steps of a spec: node patterns become the language's operators."""
