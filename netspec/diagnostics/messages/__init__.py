"""Every problem netspec reports, one frozen class each, grouped by what is at fault. Text only.

Codes: NS1xx text and syntax, NS2xx names and arguments, NS3xx shapes, NS4xx limits, NS5xx files and
weights, NS6xx back-ends and verification, NS7xx what a spec expects of itself.
"""
