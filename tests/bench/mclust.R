# mclust's EM from given start values, timed inside: CSV START MODEL ITERATIONS; prints JSON.
suppressMessages(library(mclust))
given <- commandArgs(trailingOnly = TRUE)
x <- as.matrix(read.csv(given[1]))
start <- paste(readLines(given[2]), collapse = "")
values <- function(key) {  # a list of numbers of the JSON, row by row
  inner <- regmatches(start, regexpr(paste0('"', key, '": \\[.*?\\](?=, "|\\})'), start, perl = TRUE))
  as.numeric(regmatches(inner, gregexpr("-?[0-9.]+(e-?[0-9]+)?", inner))[[1]])
}
weights <- values("weights")
means <- matrix(values("means"), nrow = length(weights), byrow = TRUE)
sds <- matrix(values("sds"), nrow = length(weights), byrow = TRUE)
z <- sapply(seq_along(weights), function(j) {
  log(weights[j]) + rowSums(sapply(seq_len(ncol(x)), function(i) dnorm(x[, i], means[j, i], sds[j, i], log = TRUE)))
})
z <- exp(z - apply(z, 1, max))
z <- z / rowSums(z)
control <- emControl(tol = c(0, 0), itmax = rep(as.integer(given[4]), 2))
seconds <- system.time(
  fit <- suppressWarnings(me(data = if (ncol(x) == 1) x[, 1] else x, modelName = given[3], z = z, control = control))
)[["elapsed"]]
cat(sprintf('{"seconds": %.6f, "score": %.17g}\n', seconds, fit$loglik))
