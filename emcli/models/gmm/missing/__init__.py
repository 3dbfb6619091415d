"""Missing cells given the observed ones: conditional distributions of Gaussians, and regression on one of them."""
