//! The add-on as Node sees it. Each module stands alone; none knows models, nodes or where files belong.

mod kernels;
