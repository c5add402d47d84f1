"""Style `columns`: nets side by side, each a chain of layers, in strips of one resolution that all share.

As Figure 3 of He et al. 2016 sets VGG-19, a plain net and a ResNet side by side. `net` takes a net apart into
a `chain`, `order` is that of the resolutions of all, `sheets` cuts what is too tall for a screen into parts
that stand beside each other, `lines` leads from layer to layer and from part to part, `page` sets it all.
Only what is aligned on resolution has its place here.
"""
