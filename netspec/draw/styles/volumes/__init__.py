"""Style `volumes`: feature maps as slabs in perspective, as papers draw nets.

`read` says what the net's volumes are (`parts`, `kinds`), `scale` how large each is drawn, `solids`
gives them faces, `rows` sets them side by side (`places`, `labels`) with `joints` between and `above`
what passes over, `lines` breaks a long row, `bends` lays out a U, `page` fits all on one screen.
Only what is about slabs has its place here.
"""
