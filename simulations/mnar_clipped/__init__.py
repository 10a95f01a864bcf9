"""Evidence for the claims about clicks that are missing not at random: `mnar-clipped`."""
