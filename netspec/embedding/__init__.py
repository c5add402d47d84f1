"""Pictures of nets in the pages of others: notebooks, Sphinx, MkDocs, Quarto and Pandoc.

Each module is loaded by the program that it is for, and by nothing in netspec. What they share is in
`drawn`; no page needs a script.
"""
