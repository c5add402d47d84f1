"""Style `volumes`: feature maps as slabs in perspective, as papers draw nets.

`read` says what the net's volumes are, `scale` how large each is drawn, `solids` gives them faces,
`rows` sets them side by side with `joints` between and `above` what passes over, `bends` lays out a
U, `page` fits all on one screen. Only what is about slabs has its place here.
"""
